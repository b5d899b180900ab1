"""Compiles a training step for a TPU on a machine that has none, with libtpu through JAX.

    .venv/tpu-compile/bin/python -m benchmarks.accelerators.tpu_compiler step.stablehlo --text step.txt

It runs in the environment of requirements-tpu-compile.txt, which has no TensorFlow. It writes the
compiled module as text and ends with one line of JSON: what XLA counted. With `--hlo step.hlo` it first
makes step.stablehlo of the HLO that TensorFlow lowered. No other file uses modules of JAX that are not
public; for their sake the version of JAX is pinned.
"""

import argparse
import json
import os
import time
from pathlib import Path

from benchmarks.accelerators.chips import CHIPS

# Of StableHLO, with which other versions of JAX and XLA read what is written here.
_STABLEHLO_VERSION = "1.9.0"


def to_stablehlo(hlo: bytes) -> bytes:
    """Serialized StableHLO, portable between versions, of a serialized HLO module."""
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax
    from jax._src.lib.mlir import ir

    with mlir.make_ir_context():
        module = ir.Module.parse(_jax.mlir.hlo_to_stablehlo(hlo))
        for copy in list(_copies(module.body)):
            copy.results[0].replace_all_uses_with(copy.operands[0])
            copy.operation.erase()
        return _jax.mlir.serialize_portable_artifact(module, _STABLEHLO_VERSION)


def _copies(block):
    """The copies of variables that TensorFlow returns; StableHLO has no such operation."""
    for operation in block.operations:
        for region in operation.regions:
            for inner in region.blocks:
                yield from _copies(inner)
        if operation.operation.name == "mhlo.copy":
            yield operation


def compile_for(target: str, stablehlo: bytes):
    """Compiles a module for one chip.

    Args:
      target: a name of `CHIPS`.
      stablehlo: what `to_stablehlo` returns.

    Returns:
      (the executable, the name of the device that it is for)
    """
    chip = CHIPS[target]
    os.environ |= {
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # no process has a TPU to itself
        "JAX_PLATFORMS": "cpu",
        "TPU_LOG_DIR": "disabled",
        "TPU_SKIP_MDS_QUERY": "1",  # it would ask the network which TPU this is
        "TPU_ACCELERATOR_TYPE": chip.accelerator_type,
        "TPU_WORKER_HOSTNAMES": "localhost",
    }
    import numpy as np
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax, xla_client
    from jax.experimental import topologies

    device = topologies.get_topology_desc(chip.topology, "tpu").devices[0]
    with mlir.make_ir_context():
        module = _jax.mlir.deserialize_portable_artifact(stablehlo)
        options = xla_client.CompileOptions()
        options.num_replicas = options.num_partitions = 1
        options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
        executable = device.client.compile(module, _jax.DeviceList((device,)), options)
    return executable, device.device_kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stablehlo", type=Path, help="the module, which --hlo writes")
    parser.add_argument("--hlo", type=Path, help="serialized HLO module to make it of")
    parser.add_argument("--target", choices=tuple(CHIPS), default="tpu-v5e")
    parser.add_argument("--text", type=Path, required=True, help="where the compiled module goes")
    arguments = parser.parse_args()
    if arguments.hlo:
        arguments.stablehlo.write_bytes(to_stablehlo(arguments.hlo.read_bytes()))
    start, cpu_start = time.perf_counter(), time.process_time()
    executable, device = compile_for(arguments.target, arguments.stablehlo.read_bytes())
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    (module,) = executable.hlo_modules()
    arguments.text.write_text(module.to_string(), encoding="utf-8")
    cost, memory = executable.cost_analysis(), executable.get_compiled_memory_stats()
    result = {
        "device": device,
        "flops": cost["flops"],
        "transcendentals": cost.get("transcendentals", 0),
        "bytes_between_instructions": cost["bytes accessed"],
        "argument_bytes": memory.argument_size_in_bytes,
        "output_bytes": memory.output_size_in_bytes,
        "alias_bytes": memory.alias_size_in_bytes,
        "temporary_bytes": memory.temp_size_in_bytes,
        "code_bytes": memory.generated_code_size_in_bytes,
        "compile_seconds": seconds,
        "compile_cpu_seconds": cpu_seconds,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
