"""Lowers a training step to HLO: what TensorFlow hands to XLA, before XLA optimises anything.

TensorFlow lowers for the CPU that it runs on. Of the operations of a step only random numbers are
lowered otherwise for a TPU: here they are Philox, written out in integer arithmetic.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.accelerators.hlo_text import arrays
from lvbert_tf.errors import InputError
from lvbert_tf.training.step import TrainingStep

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class LoweredStep:
    """A training step as HLO.

    Attributes:
      hlo: the module, serialized.
      num_lines: of the module as text.
      sources: name of an operation of TensorFlow -> `file:line` of the project's code that made it.
      arguments: the values of the module's arguments: batch, drawn paths, then all variables.
      result_types: the types of its results, such as "f32[60,8]": first the packed row of metrics, then
        the new values of the variables that a step changes.
      fed_back: for each result the argument of the next step that it is, or -1.
      positions: where the loss and the gradient norm are in the packed row.
    """

    hlo: bytes
    num_lines: int
    sources: dict[str, str]
    arguments: list[np.ndarray]
    result_types: list[str]
    fed_back: list[int]
    positions: tuple[int, int]

    def save_examples(self, path: Path, computed: np.ndarray) -> None:
        """Writes what `benchmarks/stablehlo_runner.py` needs beside the module.

        Args:
          path: of the .npz file.
          computed: what `run` returned.
        """
        arguments = {f"argument_{index}": value for index, value in enumerate(self.arguments)}
        np.savez(
            path,
            result_types=self.result_types,
            fed_back=self.fed_back,
            positions=self.positions,
            computed=computed,
            **arguments,
        )


def lower(step: TrainingStep, batch: Mapping[str, tf.Tensor]) -> LoweredStep:
    """Lowers the step of one replica.

    Args:
      step: compiled by XLA as a whole, on one device.
      batch: rows of the global batch.

    Raises:
      InputError: the step depends on the values of its arguments when it is compiled.
    """
    function, inputs = step.compiled_call(batch)
    concrete = function.get_concrete_function(*inputs)
    ir = function.experimental_get_compiler_ir(*inputs)
    text = ir(stage="hlo")
    arguments = [value.numpy() for value in tf.nest.flatten(inputs) if value is not None]
    arguments += _captured(concrete)
    argument_types, result_types, fed_back = _signature(text)
    if [value.shape for value in arguments] != [each.dimensions for each in arrays(argument_types)]:
        raise InputError(
            f"the step has {len(arguments)} arguments and the module {len(arrays(argument_types))}:"
            " TensorFlow needs the others when it compiles, and would compile every step anew"
        )
    return LoweredStep(
        ir(stage="hlo_serialized"),
        len(text.splitlines()),
        _sources(concrete.graph),
        arguments,
        result_types,
        fed_back,
        _positions(step, result_types[0]),
    )


def run(step: TrainingStep, batch: Mapping[str, tf.Tensor], steps: int) -> np.ndarray:
    """Does steps on the same batch here, compiled by TensorFlow's XLA for the CPU.

    Returns:
      loss and gradient norm of each step, shape (steps, 2).
    """
    records = step.run(iter(tf.data.Dataset.from_tensors(batch).repeat()), steps)
    return np.stack([records.loss, records.gradient_norm], axis=1)


def _positions(step: TrainingStep, row_type: str) -> tuple[int, int]:
    """`LoweredStep.positions`, found by unpacking a row that has its own positions as values."""
    (row,) = arrays(row_type)
    positions = step.unpack(np.arange(row.dimensions[0])[np.newaxis])
    return int(positions.loss[0]), int(positions.gradient_norm[0])


def _captured(concrete) -> list[np.ndarray]:
    """Copies of what a traced function uses beside its arguments, in the order of the module's."""
    variables = {id(variable.handle): variable for variable in concrete.graph.variables}
    return [
        np.array(variables[id(tensor)] if tensor.dtype == tf.resource else tensor)
        for tensor in concrete.captured_inputs
    ]


def _signature(text: str) -> tuple[str, list[str], list[int]]:
    """(types of the arguments, of the results, `LoweredStep.fed_back`) from the module's header."""
    header = text[: text.index("\n")]
    layout = re.search(r"entry_computation_layout=\{\((.*)\)->(.*?)\}(?:, \w+=|$)", header)
    assert layout is not None
    result_types = re.findall(r"\w+\[[\d,]*\]", layout[2])
    aliases = dict(re.findall(r"\{(\d+)\}: \((\d+), \{\}, (?:may|must)-alias\)", header))
    fed_back = [int(aliases.get(str(index), -1)) for index in range(len(result_types))]
    return layout[1], result_types, fed_back


def _sources(graph: tf.Graph) -> dict[str, str]:
    found = {}
    for operation in graph.get_operations():
        own = [
            frame
            for frame in operation.traceback
            if Path(frame.filename).is_relative_to(_ROOT / "lvbert_tf")
        ]
        if own:
            path = Path(own[-1].filename).relative_to(_ROOT / "lvbert_tf")
            found[operation.name] = f"{path}:{own[-1].lineno}"
    return found
