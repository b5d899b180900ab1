"""One trial: train from the starting weights, evaluate, keep the model."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lvbert_tf.finetuning.learning.evaluation import TaskPredictor, evaluate
from lvbert_tf.finetuning.learning.interleaved_steps import InterleavedSteps
from lvbert_tf.finetuning.learning.learner import Learner
from lvbert_tf.finetuning.results.results import TrialResult
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.runs.model_directory import save_preset
from lvbert_tf.training import logs, loop
from lvbert_tf.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class Trainer:
    """Runs trials one after the other with what was compiled for the first.

    Args:
      run: what they share.
      learner: the models.
      predictors: by task, of the learner's models.
    """

    run: RunContext
    learner: Learner
    predictors: Mapping[str, TaskPredictor]

    def run_trial(self, directory: TrialDirectory) -> TrialResult | None:
        """Runs a trial, from where an earlier process left it.

        Returns:
          its figures, or None if it was stopped; what was learned so far is saved.

        Raises:
          NonFiniteLoss: see `loop.train`.
        """
        start = time.monotonic()
        steps = self.learner.start_trial(directory.seed)
        if not self._train(directory, steps):
            return None
        figures = evaluate(self.run, self.predictors, directory)
        if figures is None:
            return None
        result = TrialResult(
            trial=directory.trial,
            seed=directory.seed,
            steps=steps.step,
            seconds=time.monotonic() - start,
            figures=figures,
            skipped_rows={
                name: data.skipped for name, data in self.run.data.items() if data.skipped
            },
        )
        if self.run.chief:
            for name, objective in self.learner.objectives.items():
                save_preset((objective.model,), directory.preset(name), steps.step)
            directory.write_result(result)
        return result

    def _train(self, directory: TrialDirectory, steps: InterleavedSteps) -> bool:
        run, learner, config = self.run, self.learner, self.run.config
        state = loop.HostState()
        checkpoints = Checkpoints(
            directory.checkpoints,
            keep=1,
            writer=run.chief,
            weights=learner.weights,
            optimizer=learner.optimizer,
            loss_scale=learner.loss_scale,
            host=state.variable,
        )
        step = checkpoints.restore_latest(run.say)
        if step is not None:
            state.load()
            run.say(f"trial {directory.trial} continues from step {step} of {learner.total_steps}")
        log = logs.TrainingLog(
            directory.path,
            learner.total_steps,
            steps.step,
            state.evaluated_step,
            writer=run.chief,
            description=f"trial {directory.trial}, seed {directory.seed}",
        )

        def on_progress(step: int, loss: float, steps_per_second: float | None) -> None:
            rate = steps_per_second and steps_per_second * config.train_batch_size
            log.progress(step, loss, rate)

        def on_log(step: int, sums: Mapping[str, np.ndarray], figures: dict) -> None:
            rate = figures.pop("steps_per_second")
            values = {"loss": float(sums["loss"] / sums["rows"]), **figures}
            # The rate of the update that made this step, not of the next one.
            values["learning_rate"] = float(learner.schedule(step - 1))
            if rate:
                values["examples_per_second"] = rate * config.train_batch_size
            log.metrics(step, logs.TRAIN, values)

        schedule = loop.Schedule(
            total_steps=learner.total_steps,
            log_steps=config.log_steps,
            eval_every_steps=0,
            save_checkpoints_steps=config.save_checkpoints_steps,
            iterations_per_loop=config.iterations_per_loop,
        )
        # Evaluation comes after the loop: a trial that is complete may be evaluated again.
        hooks = loop.Hooks(on_progress, on_log, lambda step: True, run.agree)
        batches = learner.batches(directory.seed, steps.order, steps.step)
        with log:
            return loop.train(steps, batches, schedule, checkpoints, state, hooks, run.stop)
