"""Runs a training step that was saved as StableHLO on whatever device JAX has, checks and times it.

    python stablehlo_runner.py step.stablehlo

It needs JAX and numpy and no other file of this project, so it can be copied to a machine with a GPU,
with the two files that `python -m benchmarks.compiled_step --write step.stablehlo --examples` makes:
step.stablehlo and step.npz. It repeats the steps that TensorFlow did when they were made, and compares
loss and gradient norm of each. Exits with 1 if they differ by more than the tolerance.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

jax.config.update("jax_enable_x64", True)  # the number of the step is an int64

_TYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64", "pred": "bool"}
_TYPES |= {f"u{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)}
_TYPES |= {f"s{bits}": f"int{bits}" for bits in (8, 16, 32, 64)}


def callable_of(stablehlo: bytes, arguments: list[np.ndarray], result_types: list[str]) -> Callable:
    """A function of JAX arrays that runs a module.

    JAX reads StableHLO as part of an exported function. So this exports a function that has the same
    arguments and results, and puts the module in the place of its own.

    Args:
      stablehlo: a serialized module.
      arguments: of the types of the module's arguments.
      result_types: such as "f32[60,8]".
    """

    def same_results(*_):
        return tuple(jnp.zeros(shape, dtype) for shape, dtype in map(_parsed, result_types))

    shapes = [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in arguments]
    exported = export.export(jax.jit(same_results))(*shapes)
    exported = dataclasses.replace(
        exported,
        mlir_module_serialized=stablehlo,
        module_kept_var_idx=tuple(range(len(arguments))),
    )
    return jax.jit(exported.call)


def _parsed(result_type: str) -> tuple[tuple[int, ...], str]:
    name, _, sizes = result_type.rstrip("]").partition("[")
    return tuple(int(size) for size in sizes.split(",") if size), _TYPES[name]


class Step:
    """A saved step with its variables.

    Args:
      path: of the module; the file of the same name that ends in .npz is read too.
    """

    def __init__(self, path: Path):
        saved = np.load(path.with_suffix(".npz"))
        count = sum(name.startswith("argument_") for name in saved.files)
        arguments = [saved[f"argument_{index}"] for index in range(count)]
        self._fed_back = saved["fed_back"]
        self._positions = saved["positions"]
        self.expected = saved["computed"]
        start = time.perf_counter()
        call = callable_of(path.read_bytes(), arguments, list(saved["result_types"]))
        self._arguments = [jax.device_put(value) for value in arguments]
        self._run = call.lower(*self._arguments).compile()
        self.compile_seconds = time.perf_counter() - start

    def __call__(self) -> np.ndarray:
        """Does one step; returns its loss and gradient norm."""
        results = self._run(*self._arguments)
        jax.block_until_ready(results)
        for result, argument in zip(results, self._fed_back, strict=True):
            if argument >= 0:
                self._arguments[argument] = result
        return np.asarray(results[0])[self._positions]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stablehlo", type=Path, help="step.stablehlo; step.npz is beside it")
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=1e-4,
        help="relative; 1e-4 is for float32 on a CPU, bfloat16 and GPUs round products: 0.02",
    )
    flags = parser.parse_args()
    device = jax.devices()[0]
    step = Step(flags.stablehlo)
    computed = np.stack([step() for _ in step.expected])
    seconds = []
    for _ in range(flags.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(f"{device.device_kind}, jax {jax.__version__}; compiled in {step.compile_seconds:.1f} s")
    print("| | TensorFlow | here | relative difference |\n|---|---|---|---|")
    differences = np.abs(computed / step.expected - 1)
    for index, name in np.ndindex(differences.shape):
        what = ("loss", "gradient norm")[name]
        print(
            f"| {what} of step {index + 1} | {step.expected[index, name]:.6f} |"
            f" {computed[index, name]:.6f} | {differences[index, name]:.1e} |"
        )
    low, high = np.percentile(seconds, [10, 90])
    print(
        f"| milliseconds, median of {flags.steps} steps | – | {1e3 * statistics.median(seconds):.2f} |"
        f" one in ten below {1e3 * low:.2f}, one above {1e3 * high:.2f} |"
    )
    if not (differences <= flags.tolerance).all():
        print(f"error: differs by more than {flags.tolerance:g}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
