"""One trial: train from the starting weights, evaluate, keep the model."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lvbert_tf.finetuning.learning.learner import Learner
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.learning.steps import InterleavedSteps
from lvbert_tf.finetuning.parts import TrialSettings
from lvbert_tf.finetuning.results.trial_directory import TaskMetrics, TrialDirectory, TrialResult
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.runs.model_directory import save_preset
from lvbert_tf.settings.schedule import Schedule
from lvbert_tf.training import loop
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.distribution import io_device
from lvbert_tf.training.logs import TrainingLog
from lvbert_tf.training.reporter import Reporter


@dataclass(frozen=True)
class Trainer:
    """Runs trials one after the other, all with what was compiled for the first.

    Args:
      run: what the trials share.
      settings: when to log and save, and which trials predict for the test splits.
      learner: the models and their optimiser.
      predictors: the predictors of the learner's models, by the task's name.
    """

    run: RunContext
    settings: TrialSettings
    learner: Learner
    predictors: Mapping[str, Predictor]

    def run_trial(self, directory: TrialDirectory) -> TrialResult | None:
        """Runs a trial, from where an earlier process has left it.

        Returns:
          the result; or None if the run was stopped, after saving what was learned so far.

        Raises:
          NonFiniteLoss: see `loop.train`.
        """
        start = time.monotonic()
        steps = self.learner.start_trial(directory.seed)
        if not self._train(directory, steps):
            return None
        metrics = evaluate(self.run, self.predictors, directory, self.settings.n_writes_test)
        if metrics is None:
            return None
        result = TrialResult(
            trial=directory.trial,
            seed=directory.seed,
            steps=steps.step,
            seconds=time.monotonic() - start,
            metrics=metrics,
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
        run, learner, settings = self.run, self.learner, self.settings
        batch_size = learner.settings.train_batch_size
        state = loop.HostState()
        checkpoints = Checkpoints(
            directory.checkpoints,
            keep=1,
            writer=run.chief,
            io_device=io_device(run.strategy),
            weights=learner.weights,
            optimizer=learner.optimizer,
            loss_scale=learner.loss_scale,
            host=state.variable,
        )
        step = checkpoints.restore_latest(run.say)
        if step is not None:
            state.load()
            learner.loss_scale.continue_restored()
            run.say(f"trial {directory.trial} continues from step {step} of {learner.total_steps}")
        schedule = Schedule(
            num_train_steps=learner.total_steps,
            log_steps=settings.log_steps,
            eval_every_steps=0,
            save_checkpoints_steps=settings.save_checkpoints_steps,
            iterations_per_loop=settings.iterations_per_loop,
        )
        batches = learner.batches(directory.seed, steps.order, steps.step)
        with TrainingLog(
            directory.path,
            learner.total_steps,
            steps.step,
            state.evaluated_step,
            writer=run.chief,
            description=f"trial {directory.trial}, seed {directory.seed}",
        ) as log:
            reporter = Reporter(log, _mean_loss, learner.schedule, learner.loss_scale, batch_size)
            # Evaluation comes after the loop, because a complete trial may be evaluated again.
            return loop.train(
                steps, batches, schedule, checkpoints, state, reporter, run.stop, agree=run.agree
            )


def evaluate(
    run: RunContext,
    predictors: Mapping[str, Predictor],
    directory: TrialDirectory,
    n_writes_test: int,
) -> TaskMetrics | None:
    """Scores the dev splits and predicts for the test splits, as far as the run has read them.

    The predictions for every split are written to the directory of the trial, each with the place of
    its row.

    Args:
      run: the tasks, and who writes.
      predictors: the predictors by the task's name.
      directory: the directory of the trial.
      n_writes_test: the number of trials that predict for the test splits.

    Returns:
      the metrics of the dev splits, a task's main one first and `loss` last where rows have labels;
      or None if the run was stopped.

    Raises:
      InputError: predictions cannot be written.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, predictor in predictors.items():
        data = run.data[name]
        found[name] = {}
        for split in data.readings:
            role = data.task.splits[split].role
            if role == "train" or (role == "test" and directory.trial > n_writes_test):
                continue
            examples = data.examples(split)
            predicted = predictor.predict(examples, role, f"{name} {split}", run.agree_to_stop)
            if predicted is None:
                return None
            if run.chief:
                rows = zip(examples, predicted.predictions, strict=True)
                placed = [{**row.location.to_json_dict(), **prediction} for row, prediction in rows]
                directory.write_predictions(name, split, placed)
            if role == "dev":
                metrics = predictor.objective.score(examples, predicted.predictions)
                loss = {} if predicted.loss is None else {"loss": predicted.loss}
                found[name][split] = {**metrics, **loss}
    return found


def _mean_loss(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    return {"loss": float(sums["loss"] / sums["rows"])}
