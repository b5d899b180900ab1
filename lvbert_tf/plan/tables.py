"""A plan as a table for people, and as JSON for programs."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from lvbert_tf.plan.chips import PRICES_OF, Devices
from lvbert_tf.plan.corpus import BuildRates, CorpusPlan
from lvbert_tf.plan.run_plan import Assumptions, Duration, RunPlan, parts_that_fit
from lvbert_tf.plan.search_plan import SearchPlan
from lvbert_tf.settings.pretraining import PretrainingConfig

_Rows = Iterable[tuple[str, str]]


def as_json(
    devices: Devices, corpus: CorpusPlan, assumed: Assumptions, plan: RunPlan | SearchPlan
) -> dict[str, Any]:
    """All numbers of a plan, in bytes, seconds, hours, dollars and shares."""
    values = {
        "devices": dataclasses.asdict(devices),
        "corpus": {**dataclasses.asdict(corpus), "records_bytes": corpus.records_bytes},
        "assumed": dataclasses.asdict(assumed),
        "search" if isinstance(plan, SearchPlan) else "run": dataclasses.asdict(plan),
    }
    if isinstance(plan, RunPlan):
        values["run"] |= {"bound": plan.bound, "breaks_first": plan.breaks_first}
    return values


def run_table(
    config: PretrainingConfig,
    devices: Devices,
    corpus: CorpusPlan,
    rates: BuildRates,
    assumed: Assumptions,
    plan: RunPlan,
) -> str:
    """The plan of a run, in sections of names and values."""
    return "\n".join(
        [
            _title(config, devices, assumed),
            *_section("Corpus", _corpus_rows(corpus, rates)),
            *_section("Step", _step_rows(config, devices, plan)),
            *_section("Run", _run_rows(devices, plan)),
            *_section("Memory of a chip, estimated", _memory_rows(config, devices, plan)),
            *_section("Checkpoints", _checkpoint_rows(config, plan)),
            *_section("Limits", _limit_rows(plan)),
        ]
    )


def search_table(
    config: PretrainingConfig,
    devices: Devices,
    corpus: CorpusPlan,
    rates: BuildRates,
    assumed: Assumptions,
    plan: SearchPlan,
) -> str:
    """The plan of a search, in sections of names and values."""
    training = plan.training
    stages: _Rows = [
        ("supernet", _duration(plan.supernet.planned)),
        ("scoring", _duration(plan.scoring)),
        ("", f"{plan.candidates:,} strings on {plan.sequences:,} held-out sequences each, at most"),
        ("", f"{plan.scoring_flops:.2e} FLOPs"),
        (f"{plan.trainings} trainings", f"{_duration(training.planned)} each"),
        ("", f"{training.steps:,} steps, {training.step.flops * training.steps:.2e} FLOPs each"),
        ("together", _duration(plan.planned)),
    ]
    return "\n".join(
        [
            _title(config, devices, assumed),
            *_section("Corpus", _corpus_rows(corpus, rates)),
            *_section("Stages of the search", stages),
            *_section("Step of the supernet", _step_rows(config, devices, plan.supernet)),
            *_section("Training of the supernet", _run_rows(devices, plan.supernet)),
            *_section("Memory of a chip, estimated", _memory_rows(config, devices, plan.supernet)),
            *_section("Checkpoints of the supernet", _checkpoint_rows(config, plan.supernet)),
            *_section("Limits", _limit_rows(plan.supernet)),
        ]
    )


def _title(config: PretrainingConfig, devices: Devices, assumed: Assumptions) -> str:
    machines = f"{devices.machines} machine{'s' if devices.machines > 1 else ''}"
    price = f"${assumed.dollars:,.2f} a chip and hour"
    if assumed.dollars == devices.chip.dollars:
        price += f" (list price of {PRICES_OF}, see {devices.chip.source})"
    return (
        f"{config.networks.label}, width {config.hidden_dim}, batch {config.train_batch_size}, length"
        f" {config.max_seq_length}\non {devices.count} x {devices.name} in {machines}; {price}"
    )


def _corpus_rows(corpus: CorpusPlan, rates: BuildRates) -> _Rows:
    yield "text", f"{_size(corpus.text_bytes)}, {_count(corpus.tokens)} tokens"
    yield "examples", _count(corpus.examples)
    yield "records", f"{_size(corpus.records_bytes)}, {corpus.record_bytes} bytes each"
    yield (
        "to build them",
        f"{_hours(corpus.build_machine_hours)} of a machine with {rates.cores} cores,"
        f" {corpus.build_core_hours:.1f} core hours at {rates.core_rate / 1e6:g} MB/s",
    )


def _step_rows(config: PretrainingConfig, devices: Devices, plan: RunPlan) -> _Rows:
    step = plan.step
    yield "parameters", f"{step.parameters:,}"
    yield "sequences of a chip", f"{config.train_batch_size // devices.count}"
    yield "FLOPs", f"{step.flops:.3e}, {config.training_flops:.3e} a sequence"
    yield "arithmetic", f"{_milliseconds(step.arithmetic_seconds)} at the peak"
    yield (
        "memory",
        f"{_milliseconds(step.memory_seconds)} for {_size(step.chip_bytes)} of a chip, estimated",
    )
    yield "instructions", f"{step.instructions:,} of a chip, estimated"
    yield (
        "all-reduce",
        f"{_milliseconds(step.all_reduce_seconds)} for {_size(step.all_reduce_bytes)} of a chip",
    )
    yield (
        "planned",
        f"{_milliseconds(plan.step_seconds)}, at least {_milliseconds(step.least_seconds)}",
    )


def _run_rows(devices: Devices, plan: RunPlan) -> _Rows:
    reading = plan.reading
    yield "steps", f"{plan.steps:,}, {plan.step.flops * plan.steps:.2e} FLOPs"
    yield "planned", _duration(plan.planned)
    yield "if instructions started at once", _duration(plan.free_starts)
    yield "least", _duration(plan.least)
    yield "slow", _duration(plan.slow)
    yield "epochs", f"{reading.epochs:.2f}"
    yield (
        "a machine reads",
        f"{_size(reading.bytes_per_second)} a second, {reading.examples_per_second:,.0f} examples",
    )
    if devices.machines > 1:
        store = reading.bytes_per_second * devices.machines
        yield "all machines read", f"{_size(store)} a second, each of them all records"


def _memory_rows(config: PretrainingConfig, devices: Devices, plan: RunPlan) -> _Rows:
    step, memory = plan.step, devices.chip.memory
    yield "weights, moments", _size(step.state_bytes)
    yield "activations", _size(step.activation_bytes)
    fits = f"the batch fits in {_size(memory)}"
    if step.chip_memory > memory:
        parts = parts_that_fit(config, devices)
        remedy = f"set gradient_accumulation_steps {parts}" if parts else "nor does one sequence"
        fits = f"THE BATCH DOES NOT FIT in {_size(memory)}; {remedy}"
    yield "together", f"{_size(step.chip_memory)}: {fits}"


def _checkpoint_rows(config: PretrainingConfig, plan: RunPlan) -> _Rows:
    saving = plan.saving
    kept = config.keep_checkpoint_max
    yield "one", f"{_size(saving.bytes)}, written in {saving.seconds:.1f} s"
    yield (
        "all",
        f"{saving.number:,}, one each {config.save_checkpoints_steps:,} steps: {_hours(saving.hours)}",
    )
    yield (
        "on disk",
        f"{_size(saving.disk_bytes)} ({f'{kept} kept, one being written' if kept else 'all kept'})",
    )
    yield "a crash loses", f"{saving.minutes_lost:.1f} minutes in the mean"


def _limit_rows(plan: RunPlan) -> _Rows:
    shares = ", ".join(f"{name} {share:.1%}" for name, share in plan.time_shares.items() if share)
    yield "bound by", f"{plan.bound} (of the time: {shares})"
    for name, share in sorted(plan.used.items(), key=lambda item: -item[1]):
        yield name, f"{share:.1%} used"
    yield "breaks first", plan.breaks_first


def _section(title: str, rows: _Rows) -> list[str]:
    return ["", title, *(f"  {name:32}{value}".rstrip() for name, value in rows)]


def _duration(duration: Duration) -> str:
    return f"{_hours(duration.hours)}, ${duration.dollars:,.0f}"


def _hours(hours: float) -> str:
    return f"{hours * 60:.1f} minutes" if hours < 1 else f"{hours:,.1f} hours"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"


def _scaled(value: float, scales: Iterable[tuple[float, str]]) -> str:
    for scale, name in scales:
        if value >= scale:
            return f"{value / scale:,.3g} {name}"
    return f"{value:,.0f}"


def _count(value: float) -> str:
    return _scaled(value, ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")))


def _size(value: float) -> str:
    return _scaled(value, ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")))
