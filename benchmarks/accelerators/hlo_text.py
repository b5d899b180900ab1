"""Reads the text of a module that XLA compiled for a TPU: instructions, and bytes through HBM.

A buffer whose layout says S(1) is in the chip's own vector memory; a buffer without such a mark is in
HBM. It is stored in tiles: T(8,128) pads the last two dimensions to multiples of 8 and 128.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from lvbert_tf.errors import InputError

_SIZES = {"pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "f16": 2, "bf16": 2}
_SIZES |= {"s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
_ARRAY = re.compile(r"(\w+)\[([\d,]*)\](?:\{([^}]*)\})?")

_NAMES_A_BUFFER = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
_CALLS = {"while", "conditional", "call"}
_READS_ARRAYS = {"fusion", "reduce", "dot", "convolution", "custom-call", *_CALLS}
# They read as much of their first operand as they return.
_READS_A_PART = {"slice", "dynamic-slice", "gather"}
_MOVES_DATA = {
    *("copy", "transpose", "reshape", "broadcast", "convert", "pad", "concatenate"),
    *("slice", "dynamic-slice", "dynamic-update-slice"),
}
_MATRIX_PRODUCTS = {"dot", "convolution"}


@dataclass(frozen=True)
class Array:
    """An array with its layout, such as `bf16[128,256]{1,0:T(8,128)(2,1)S(1)}`."""

    type: str
    dimensions: tuple[int, ...]
    layout: str
    in_hbm: bool

    @property
    def bytes(self) -> int:
        """Of the values alone."""
        return math.prod(self.dimensions) * _SIZES.get(self.type, 0)

    @property
    def padded_bytes(self) -> int:
        """With the padding of the tiles."""
        order, _, rest = self.layout.partition(":")
        tile = re.match(r"T\(([\d,]+)\)", rest)
        if tile is None or not self.dimensions:
            return self.bytes
        sizes = [self.dimensions[int(axis)] for axis in reversed(order.split(","))]
        tiles = [int(size) for size in tile[1].split(",")]
        sizes = [1] * (len(tiles) - len(sizes)) + sizes
        for axis, size in enumerate(reversed(tiles), start=1):
            sizes[-axis] = -(-sizes[-axis] // size) * size
        return math.prod(sizes) * _SIZES.get(self.type, 0)


def arrays(shape: str) -> list[Array]:
    """The arrays of a shape as XLA writes it, those of a tuple in order."""
    return [
        Array(
            name,
            tuple(int(size) for size in dimensions.split(",") if size),
            layout,
            in_hbm=re.search(r"S\([1-9]", layout) is None,
        )
        for name, dimensions, layout in _ARRAY.findall(shape)
    ]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a computation.

    Attributes:
      name: its name in the module.
      opcode: what XLA calls the operation.
      results: the arrays it returns.
      operands: the names of what it takes; of a parameter its number, of a constant its value.
      attributes: the rest of its line.
      operation: the name of TensorFlow's operation that it comes from. An instruction that the compiler
        added, such as a copy, has the operation of its first operand.
      kind: `opcode`; for a fusion also what the fusion holds.
      read, written: the arrays of HBM that it reads and writes.
      runs: how often it runs in a step: below 1 in a branch of a conditional.
    """

    name: str
    opcode: str
    results: list[Array]
    operands: list[str]
    attributes: str
    operation: str = ""
    kind: str = ""
    read: list[Array] = field(default_factory=list)
    written: list[Array] = field(default_factory=list)
    runs: float = 1.0

    @property
    def hbm_bytes(self) -> float:
        """Bytes between chip and HBM, with the padding of tiles."""
        return self.runs * sum(array.padded_bytes for array in (*self.read, *self.written))

    @property
    def unpadded_hbm_bytes(self) -> float:
        return self.runs * sum(array.bytes for array in (*self.read, *self.written))

    @property
    def cycles(self) -> float:
        """The compiler's estimate; 0 where it wrote none."""
        found = re.search(r'"estimated_cycles":"(\d+)"', self.attributes)
        return self.runs * int(found[1]) if found else 0

    @property
    def is_scalar(self) -> bool:
        """Whether it computes one number of a few others: what the scalar unit does one by one."""
        single = all(math.prod(array.dimensions) == 1 for array in self.results)
        return single and self.opcode not in _READS_ARRAYS and not _is_asynchronous(self.opcode)

    def called(self, *roles: str) -> list[str]:
        """The computations that it calls as `calls`, `body` or `branch_computations`."""
        found = []
        for role in roles:
            for names in re.findall(rf"\b{role}=(\{{[^}}]*\}}|%?[\w.\-]+)", self.attributes):
                found += re.findall(r"[\w.\-]+", names)
        return found


class Module:
    """A compiled module.

    Args:
      text: what XLA prints of it.

    Attributes:
      computations: name -> instructions.
      entry: the name of the computation that is the step.
    """

    def __init__(self, text: str):
        self.computations: dict[str, list[Instruction]] = {}
        self.entry = ""
        current: list[Instruction] = []
        for line in text.splitlines():
            head = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$", line)
            if head:
                current = self.computations[head[2]] = []
                self.entry = head[2] if head[1] else self.entry
            elif instruction := _instruction(line):
                current.append(instruction)

    def instructions_that_work(self) -> list[Instruction]:
        """The instructions of the entry computation, without those that only name a buffer."""
        return [
            each for each in self.computations[self.entry] if each.opcode not in _NAMES_A_BUFFER
        ]

    def executed(self) -> list[Instruction]:
        """The instructions that a step runs, in order, with kinds and bytes.

        The body of a loop counts as often as it runs. Of a conditional each branch counts in equal
        shares.
        """
        return list(self._executed(self.entry, 1.0))

    def flops_of_repetitions(self) -> float:
        """FLOPs of matrix products in the bodies of loops, except for the first time that each runs.

        XLA's own count of FLOPs has them only once.
        """
        flops = 0.0
        for name, runs in self._loops(self.entry):
            for computation in [name, *self._called_by(name)]:
                known = {each.name: each for each in self.computations[computation]}
                for each in self.computations[computation]:
                    if each.opcode == "convolution":  # what a TPU makes of matrix products, too
                        flops += (runs - 1) * _convolution_flops(each, known)
        return flops

    def _loops(self, name: str) -> Iterator[tuple[str, int]]:
        for each in self.computations[name]:
            if each.opcode == "while":
                yield each.called("body")[0], self._runs(each)

    def _called_by(self, name: str) -> Iterator[str]:
        for each in self.computations[name]:
            for called in each.called("calls"):
                yield called
                yield from self._called_by(called)

    def _runs(self, loop: Instruction) -> int:
        """How often the body of a loop runs: what its condition compares a counter from 0 with."""
        (name,) = loop.called("condition")
        *_, root = self.computations[name]
        known = {each.name: each for each in self.computations[name]}
        limits = [known[each] for each in root.operands if known[each].opcode == "constant"]
        if root.opcode != "compare" or "direction=LT" not in root.attributes or len(limits) != 1:
            raise InputError(f"the number of rounds of {loop.name} is not a constant of the module")
        return int(limits[0].operands[0])

    def _executed(self, name: str, runs: float) -> Iterator[Instruction]:
        known = {each.name: each for each in self.computations[name]}
        for each in self.computations[name]:
            branches = each.called("branch_computations", "true_computation", "false_computation")
            if each.opcode == "while":
                for called in each.called("body"):
                    yield from self._executed(called, runs * self._runs(each))
            if each.opcode == "call":
                for called in each.called("to_apply"):
                    yield from self._executed(called, runs)
            for called in branches:
                yield from self._executed(called, runs / len(branches))
            if each.opcode in _NAMES_A_BUFFER | _CALLS:
                continue
            read, written = _traffic(each, known)
            if each.opcode == "fusion":
                read = self._read_by_fusion(each, known)
            yield replace(
                each,
                operation=_operation(each, known),
                kind=self._kind(each),
                read=[array for array in read if array.in_hbm],
                written=[array for array in written if array.in_hbm],
                runs=runs,
            )

    def _read_by_fusion(self, fusion: Instruction, known: dict[str, Instruction]) -> list[Array]:
        """What a fusion reads: of an operand that it only takes parts of, those parts."""
        (name,) = fusion.called("calls")
        inside, read = self.computations[name], []
        inner = {each.operands[0]: each.name for each in inside if each.opcode == "parameter"}
        for index, operand in enumerate(fusion.operands):
            arguments = known[operand].results
            users = [each for each in inside if inner[str(index)] in each.operands]
            if users and all(
                each.opcode in _READS_A_PART and each.operands.index(inner[str(index)]) == 0
                for each in users
            ):
                in_hbm = arguments[0].in_hbm
                read += [replace(each.results[0], in_hbm=in_hbm) for each in users]
            else:
                read += arguments
        return read

    def _kind(self, instruction: Instruction) -> str:
        if instruction.opcode in _MATRIX_PRODUCTS:
            return "matrix product"
        if instruction.opcode != "fusion":
            return "scalar instruction" if instruction.is_scalar else instruction.opcode
        inside = set(self._opcodes(instruction))
        if inside & _MATRIX_PRODUCTS:
            return "fusion with a matrix product"
        for opcode in ("scatter", "gather", "reduce"):
            if opcode in inside:
                return f"fusion with {opcode}"
        return (
            "fusion that moves data"
            if inside <= _NAMES_A_BUFFER | _MOVES_DATA
            else "element-wise fusion"
        )

    def _opcodes(self, instruction: Instruction) -> Iterator[str]:
        for name in instruction.called("calls"):
            for each in self.computations[name]:
                yield each.opcode
                yield from self._opcodes(each)


def _convolution_flops(convolution: Instruction, known: dict[str, Instruction]) -> float:
    """Two for each multiplication: for each result as many as the kernel has numbers for it."""
    kernel = known[convolution.operands[1]].results[0].dimensions
    labels = re.search(r"dim_labels=\w+_(\w+)->", convolution.attributes)
    assert labels is not None
    outputs = kernel[labels[1].index("o")]
    return 2.0 * math.prod(convolution.results[0].dimensions) * math.prod(kernel) / outputs


def _is_asynchronous(opcode: str) -> bool:
    return opcode.endswith(("-start", "-done"))


def _instruction(line: str) -> Instruction | None:
    head = re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = ", line)
    if head is None:
        return None
    start = head.end()
    end = _closing(line, start) if line[start] == "(" else line.index(" ", start)
    call = re.match(r"\s*([\w\-]+)\(", line[end:])
    if call is None:
        return None
    opening = end + call.end() - 1
    closing = _closing(line, opening)
    operands = re.sub(r"/\*.*?\*/", "", line[opening + 1 : closing - 1])
    itself = call[1] in ("parameter", "constant")
    names = [operands] if itself else re.findall(r"%([\w.\-]+)", operands)
    return Instruction(head[1], call[1], arrays(line[start:end]), names, line[closing:])


def _closing(line: str, start: int) -> int:
    """The index after the parenthesis that closes the one at `start`."""
    depth = 0
    for index in range(start, len(line)):
        depth += (line[index] == "(") - (line[index] == ")")
        if depth == 0:
            return index + 1
    raise ValueError(f"no closing parenthesis: {line[:200]}")


def _operation(instruction: Instruction, known: dict[str, Instruction]) -> str:
    while True:
        if found := re.search(r'\bop_name="([^"]*)"', instruction.attributes):
            return found[1]
        if not instruction.operands or instruction.operands[0] not in known:
            return ""
        instruction = known[instruction.operands[0]]


def _traffic(
    instruction: Instruction, known: dict[str, Instruction]
) -> tuple[list[Array], list[Array]]:
    """(arrays read, arrays written), in whatever memory they are."""
    opcode, results = instruction.opcode, instruction.results
    operands = [known[name] for name in instruction.operands if name in known]
    arguments = [array for each in operands for array in each.results]
    if opcode.endswith("-start") or (opcode == "custom-call" and not arguments):
        return [], []  # what was started counts where it is done; an allocation moves nothing
    if opcode.endswith("-done"):
        sources = [known[name].results[0] for name in operands[0].operands if name in known]
        return [replace(results[0], in_hbm=source.in_hbm) for source in sources[:1]], results
    if opcode in _READS_A_PART:
        part = replace(results[0], in_hbm=arguments[0].in_hbm)
        return [part, *arguments[1:]], results
    if opcode == "dynamic-update-slice":  # in place
        return arguments[1:], [replace(arguments[1], in_hbm=results[0].in_hbm)]
    return arguments, results
