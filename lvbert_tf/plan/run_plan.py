"""A pre-training run on some devices: its hours and dollars, what bounds it, and what breaks first."""

import dataclasses
from dataclasses import dataclass

from lvbert_tf.plan.chips import Devices
from lvbert_tf.plan.corpus import CorpusPlan
from lvbert_tf.plan.step import Efficiency, StepPlan, slow
from lvbert_tf.settings.pretraining import PretrainingConfig

# Examples that the input pipeline gives in a processor second, by the batch from which on it does
# (measured with benchmarks.input_pipeline).
_PIPELINE_RATES = {128: 112_000, 1: 55_000}


@dataclass(frozen=True)
class Duration:
    """How long a run takes and what it costs.

    Attributes:
      hours: by the clock.
      dollars: of all devices for that time.
    """

    hours: float
    dollars: float

    @classmethod
    def of(cls, seconds: float, devices: Devices, dollars: float) -> "Duration":
        """Counts the hours of so many seconds at `dollars` for a chip and hour."""
        hours = seconds / 3600
        return cls(hours, hours * devices.count * dollars)


@dataclass(frozen=True)
class Assumptions:
    """What a plan takes for granted, because it depends on the user's machines.

    Attributes:
      efficiency: of a step.
      disk: bytes a second that a machine reads records and writes checkpoints at.
      dollars: the price of a chip for an hour.
    """

    efficiency: Efficiency
    disk: float
    dollars: float


@dataclass(frozen=True)
class Reading:
    """What every machine reads, because each reads all records and keeps its own examples.

    Attributes:
      examples_per_second: of the whole batch.
      bytes_per_second: of records.
      epochs: how often the run sees the corpus.
    """

    examples_per_second: float
    bytes_per_second: float
    epochs: float


@dataclass(frozen=True)
class Saving:
    """The checkpoints of a run.

    Attributes:
      bytes: of one checkpoint.
      seconds: to write one, during which the devices wait.
      number: how many the run writes.
      disk_bytes: of those that are kept, and of the one that is being written.
      hours: the time for all of them.
      minutes_lost: what a crash costs in the mean: half the time between two checkpoints.
    """

    bytes: int
    seconds: float
    number: int
    disk_bytes: float
    hours: float
    minutes_lost: float


@dataclass(frozen=True)
class RunPlan:
    """A run.

    Attributes:
      steps: the number of training steps.
      step: one of them.
      step_seconds: its planned time.
      reading, saving: see `Reading` and `Saving`.
      least: as short as the roofline allows, without checkpoints.
      planned: at the planned efficiency, with checkpoints.
      free_starts: the same if instructions took no time to start, which is the part of the plan that
        was measured least.
      slow: as slow as libtpu estimates, with checkpoints.
      time_shares: what the time of the planned run is spent on, as shares of 1.
      used: how much of each limit is used, as a share of it; above 1 the run is impossible or slower
        than planned.
    """

    steps: int
    step: StepPlan
    step_seconds: float
    reading: Reading
    saving: Saving
    least: Duration
    planned: Duration
    free_starts: Duration
    slow: Duration
    time_shares: dict[str, float]
    used: dict[str, float]

    @classmethod
    def of(
        cls,
        config: PretrainingConfig,
        devices: Devices,
        corpus: CorpusPlan,
        assumed: Assumptions,
    ) -> "RunPlan":
        """Plans a run.

        Raises:
          InputError: the batch cannot be divided among the devices.
        """
        step, steps = StepPlan.of(config, devices), config.num_train_steps
        batch = config.train_batch_size
        pipeline = next(rate for least, rate in _PIPELINE_RATES.items() if batch >= least)
        waits_for_input = batch * max(1 / pipeline, corpus.record_bytes / assumed.disk)

        def step_seconds(efficiency: Efficiency) -> float:
            return max(step.planned_seconds(efficiency), waits_for_input)

        seconds = step_seconds(assumed.efficiency)
        free = dataclasses.replace(assumed.efficiency, instruction_seconds=0.0)
        saving = _saving(config, step, seconds, assumed.disk)
        examples_per_second = batch / seconds
        reading = Reading(
            examples_per_second,
            examples_per_second * corpus.record_bytes,
            steps * batch / corpus.examples,
        )

        def lasts(seconds: float, saved_hours: float) -> Duration:
            total = steps * seconds + 3600 * saved_hours
            return Duration.of(total, devices, assumed.dollars)

        return cls(
            steps=steps,
            step=step,
            step_seconds=seconds,
            reading=reading,
            saving=saving,
            least=lasts(step.least_seconds, 0),
            planned=lasts(seconds, saving.hours),
            free_starts=lasts(step_seconds(free), saving.hours),
            slow=lasts(step_seconds(slow(config, assumed.efficiency)), saving.hours),
            time_shares=_time_shares(step, steps, seconds, saving, assumed.efficiency),
            used={
                "memory of a chip": step.chip_memory / devices.chip.memory,
                "input pipeline of a machine": examples_per_second / pipeline,
                "disk, reading": reading.bytes_per_second / assumed.disk,
                "all-reduce, share of a step": step.all_reduce_seconds / seconds,
                "checkpoints, share of the time": saving.seconds
                / (saving.seconds + config.save_checkpoints_steps * seconds),
            },
        )

    @property
    def bound(self) -> str:
        """What most of the time is spent on."""
        return max(self.time_shares, key=self.time_shares.__getitem__)

    @property
    def breaks_first(self) -> str:
        """The limit of which most is used."""
        return max(self.used, key=self.used.__getitem__)


def parts_that_fit(config: PretrainingConfig, devices: Devices) -> int | None:
    """The lowest `gradient_accumulation_steps` with which a step fits the memory; None: none does."""
    rows = config.train_batch_size // devices.count
    for parts in (parts for parts in range(1, rows + 1) if rows % parts == 0):
        divided = dataclasses.replace(config, gradient_accumulation_steps=parts)
        if StepPlan.of(divided, devices).chip_memory <= devices.chip.memory:
            return parts
    return None


def _saving(config: PretrainingConfig, step: StepPlan, step_seconds: float, disk: float) -> Saving:
    every, kept = config.save_checkpoints_steps, config.keep_checkpoint_max
    number = -(-config.num_train_steps // every)
    seconds = step.state_bytes / disk
    return Saving(
        bytes=step.state_bytes,
        seconds=seconds,
        number=number,
        disk_bytes=step.state_bytes * (min(kept + 1, number) if kept else number),
        hours=number * seconds / 3600,
        minutes_lost=every * step_seconds / 2 / 60,
    )


def _time_shares(
    step: StepPlan, steps: int, step_seconds: float, saving: Saving, efficiency: Efficiency
) -> dict[str, float]:
    """Divides the time of the run. What takes less than what it overlaps with has no share."""
    waits_for_input = step_seconds > step.planned_seconds(efficiency)
    name = "input" if waits_for_input else step.slowest(efficiency)
    saved = 3600 * saving.hours
    total = steps * step_seconds + saved
    exchanged = 0.0 if waits_for_input else step.all_reduce_seconds
    return {
        name: steps * (step_seconds - exchanged) / total,
        "all-reduce": steps * exchanged / total,
        "checkpoints": saved / total,
    }
