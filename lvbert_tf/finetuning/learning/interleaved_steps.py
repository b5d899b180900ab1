"""The steps of several tasks that share an encoder, one task a step."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from lvbert_tf.finetuning.objectives.features import Batch
from lvbert_tf.training.step import StepRecords, TrainingStep


class InterleavedSteps:
    """Steps of several tasks: each step trains on one of them.

    Args:
      steps: the step of each task, by the task's name; they share the optimizer.
      order: the name of the task of each step.
    """

    def __init__(self, steps: Mapping[str, TrainingStep], order: Sequence[str]):
        self._steps = steps
        self.order = order

    @property
    def step(self) -> int:
        """The number of steps done so far."""
        return next(iter(self._steps.values())).step

    def run(self, iterators: Mapping[str, Iterator[Batch]], steps: int) -> StepRecords:
        """Does `steps` steps, each with the next batch of its task."""
        start = self.step
        records = [
            self._steps[task].run(iterators[task], len(list(run)))
            for task, run in groupby(self.order[start : start + steps])
        ]
        return StepRecords.concatenate(records)

    def run_measured(
        self, iterators: Mapping[str, Iterator[Batch]], steps: int
    ) -> tuple[StepRecords, dict[str, float]]:
        """Does steps as `run` does, and measures the last; see `TrainingStep.run_measured`."""
        records = [self.run(iterators, steps - 1)] if steps > 1 else []
        task = self.order[self.step]
        last, norms = self._steps[task].run_measured(iterators[task], 1)
        return StepRecords.concatenate([*records, last]), norms


def interleave(num_steps: Mapping[str, int], seed: int) -> list[str]:
    """The names of the tasks in random order, each as often as the task has steps."""
    order = [task for task, count in num_steps.items() for _ in range(count)]
    # 2**31 + 1 keeps these numbers apart from those of the batches.
    return np.random.default_rng((seed, 2**31 + 1)).permutation(order).tolist()
