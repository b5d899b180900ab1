"""What is known about a compiled step, as JSON types and as tables."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accelerators.chips import CHIPS, Roofline
from benchmarks.accelerators.hlo_text import Instruction, Module

_COPIES = ("copy", "copy-start")
_SLICES = ("slice", "dynamic-slice", "slice-start")
_ROWS = 15  # of the table of source lines


def report(step: Mapping[str, Any], target: str, compiled: Mapping[str, Any], text: str) -> dict:
    """Everything that `tables` prints.

    Args:
      step: what was lowered: `layers`, `generator_layers`, `batch_size`, `max_seq_length`, `precision`,
        `own_flops` (the project's count), `hlo_lines` and `sources` (see `lowering.LoweredStep`).
      target: the name of a chip.
      compiled: what `tpu_compiler` printed.
      text: of the compiled module.
    """
    module = Module(text)
    executed = module.executed()
    entry = module.instructions_that_work()
    hbm_bytes = sum(each.hbm_bytes for each in executed)
    cycles = sum(each.cycles for each in executed)
    flops = compiled["flops"] + module.flops_of_repetitions()
    memory = ("argument_bytes", "output_bytes", "temporary_bytes", "code_bytes")
    return {
        **{name: value for name, value in step.items() if name != "sources"},
        **compiled,
        "target": target,
        "flops": flops,
        "hbm_bytes": hbm_bytes,
        "unpadded_hbm_bytes": sum(each.unpadded_hbm_bytes for each in executed),
        "peak_bytes": sum(compiled[name] for name in memory) - compiled["alias_bytes"],
        "instructions": len(entry),
        "scalar_instructions": sum(each.is_scalar for each in entry),
        "copies": sum(each.opcode in _COPIES for each in entry),
        "slices": sum(each.opcode in _SLICES for each in entry),
        "transposes": sum(each.opcode == "transpose" for each in entry),
        "estimated_cycles": cycles,
        "estimated_seconds": cycles / CHIPS[target].clock,
        "rooflines": {
            name: {
                "arithmetic_seconds": roofline.arithmetic_seconds,
                "memory_seconds": roofline.memory_seconds,
                "seconds": roofline.seconds,
                "share_of_peak": roofline.share_of_peak,
            }
            for name, chip in CHIPS.items()
            for roofline in [Roofline.of(chip, flops, hbm_bytes)]
        },
        "kinds": _grouped(executed, lambda each: each.kind),
        "sources": _grouped(executed, lambda each: source_of(each.operation, step["sources"])),
    }


def source_of(operation: str, sources: Mapping[str, str]) -> str:
    """The line of the project that an operation of TensorFlow comes from.

    A gradient has the line of what it is the gradient of.

    Args:
      operation: its name in the compiled module.
      sources: see `lowering.LoweredStep`.
    """
    if operation in ("", "XLA_Args"):
        return "arguments of the step"
    forward = operation.removeprefix("gradient_tape/")
    name = forward
    while name:
        if name in sources:
            return sources[name] + (" (backward)" if forward != operation else "")
        name = name.rpartition("/")[0]
    return sources.get(operation, operation)


def _grouped(executed: list[Instruction], key: Callable[[Instruction], str]) -> dict[str, dict]:
    """Sums over instructions with the same key, those with the most bytes first."""
    groups: dict[str, dict] = defaultdict(lambda: {"instructions": 0, "hbm_bytes": 0, "cycles": 0})
    for each in executed:
        group = groups[key(each)]
        group["instructions"] += 1
        group["hbm_bytes"] += each.hbm_bytes
        group["cycles"] += each.cycles
    return dict(sorted(groups.items(), key=lambda item: -item[1]["hbm_bytes"]))


def tables(values: Mapping[str, Any]) -> str:
    """Markdown tables of a report."""
    gb, mb, ms = (
        lambda value: f"{value / 1e9:.2f} GB",
        lambda value: f"{value / 1e6:,.0f} MB",
        lambda value: f"{1e3 * value:.2f} ms",
    )
    whole = {
        "layers": f"{values['layers']}, generator {values['generator_layers']}",
        "batch, length, precision": f"{values['batch_size']}, {values['max_seq_length']},"
        f" {values['precision']}",
        "compiled for": f"{values['device']}, {values['compile_cpu_seconds']:.0f} s of processor time",
        "FLOPs": f"{values['flops'] / 1e9:.1f} G by XLA's count, {values['own_flops'] / 1e9:.1f} G by"
        " the project's",
        "through HBM": f"{gb(values['hbm_bytes'])}, {gb(values['unpadded_hbm_bytes'])} without the"
        f" padding of tiles; {gb(values['bytes_between_instructions'])} between instructions",
        "memory": f"{mb(values['peak_bytes'])} of {mb(CHIPS[values['target']].published.memory)}:"
        f" arguments {mb(values['argument_bytes'])}, temporaries {mb(values['temporary_bytes'])}, code"
        f" {mb(values['code_bytes'])}",
        "HLO before optimisation": f"{values['hlo_lines']:,} lines",
        "instructions": f"{values['instructions']:,} in the entry computation:"
        f" {values['scalar_instructions']:,} scalar, {values['copies']:,} copies,"
        f" {values['slices']:,} slices, {values['transposes']:,} transposes",
        "the compiler's estimate": f"{values['estimated_cycles'] / 1e6:.1f} M cycles,"
        f" {ms(values['estimated_seconds'])}",
    }
    rooflines = [
        (
            name,
            ms(bound["arithmetic_seconds"]),
            ms(bound["memory_seconds"]),
            ms(bound["seconds"]),
            f"{values['batch_size'] / bound['seconds']:,.0f}",
            f"{100 * bound['share_of_peak']:.0f}%",
        )
        for name, bound in values["rooflines"].items()
    ]
    return "\n\n".join(
        [
            table(("", ""), whole.items()),
            table(
                (
                    "chip",
                    "arithmetic",
                    "HBM",
                    "a step at least",
                    "sequences/s at most",
                    "of peak at most",
                ),
                rooflines,
            ),
            _groups("instruction", values["kinds"]),
            _groups("source line", dict(list(values["sources"].items())[:_ROWS])),
        ]
    )


def _groups(title: str, groups: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (
            name,
            f"{group['instructions']:,}",
            f"{group['hbm_bytes'] / 1e6:,.1f}",
            f"{group['cycles'] / 1e3:,.0f}",
        )
        for name, group in groups.items()
    ]
    return table((title, "number", "MB through HBM", "thousand cycles"), rows)


def table(header: Sequence, rows: Iterable[Iterable]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
