"""The fine-tuning program: from its arguments to trained models and a report of the trials."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import keras

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.learner import Learner
from lvbert_tf.finetuning.learning.prediction import Predictor
from lvbert_tf.finetuning.learning.starting_model import load_starting_model
from lvbert_tf.finetuning.learning.trial import Trainer, evaluate
from lvbert_tf.finetuning.learning.tuned_model import load_tuned_model
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.results.report import Report
from lvbert_tf.finetuning.results.trial_directory import Claim, TrialDirectory, TrialResult
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_data import read_task_data
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.hparams import to_json
from lvbert_tf.io.locks import training_in
from lvbert_tf.models import LVBertBackbone
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.training import distribution, loop, workers
from lvbert_tf.training.precision import POLICIES, resolve_precision
from lvbert_tf.training.signals import StopRequest


def finetune(
    data_dir: str,
    model_name: str,
    hparams: str = "",
    overwrite: bool = False,
    strategy_name: str = "auto",
    virtual_devices: int = 0,
    tpu: str | None = None,
) -> int:
    """Trains and evaluates as the hparams say; `run_finetuning.py --help` explains the arguments.

    Returns:
      the exit code: 0 if the run is complete; 1 if the loss became non-finite; 143 or 130 if it was
      stopped by SIGTERM or SIGINT, after saving.

    Raises:
      InputError: the arguments or the data are bad. Where possible, it is raised before anything is
        written.
    """
    # === Settings and tasks ===
    given = load_hparams(hparams)
    config = FinetuningConfig.create(data_dir, model_name, given)
    if overwrite and not config.do_train:
        raise InputError("--overwrite removes what was trained, but do_train false trains nothing")
    tasks = [find_task(name, data_dir, config.data_source) for name in config.task_names.names]

    # === Devices ===
    # XLA computes a step that it compiles whole with all threads.
    batches = (
        () if config.jit_compile is True else (config.train_batch_size, config.eval_batch_size)
    )
    strategy = distribution.start_strategy(
        config.devices, strategy_name, virtual_devices, tpu, cli.say, batches
    )
    distribution.check_batch(strategy, config.train_batch_size, 1, config.eval_batch_size)
    chief = workers.worker_of(strategy)[0] == 0
    say = cli.say if chief else cli.stay_silent
    for line in config.without_effect(tasks):
        say(f"warning: {line}")

    with ExitStack() as stack:
        # === Data and directories ===
        run = RunContext(
            data={task.name: read_task_data(task, config.data, say) for task in tasks},
            strategy=strategy,
            stop=stack.enter_context(StopRequest()),
            agree=stack.enter_context(
                workers.agreement(strategy, config.worker_timeout, cli.end_at_once)
            ),
            chief=chief,
            say=say,
        )
        names = str(config.task_names)
        if chief:
            # The lock covers these tasks only: another process may train other tasks meanwhile.
            stack.enter_context(training_in(config.models_dir, names))
        stack.enter_context(distribution.explained_device_errors())
        directories = [
            TrialDirectory(config.models_dir, names, trial + 1, config.seed)
            for trial in range(config.num_trials)
        ]
        report = Report(run, config.report, to_json(config), directories)

        # === Trials ===
        try:
            if config.do_train:
                results = _train(run, config, directories, report, overwrite)
            else:
                set_by_user = {
                    name: report.hparams[name] for name in given if name in report.hparams
                }
                evaluated = [directory.check_given(set_by_user) for directory in directories]
                report = replace(report, hparams=evaluated[0])
                results = _evaluate_again(run, config, directories)
        except loop.NonFiniteLoss as error:
            cli.fail(str(error), cli.EXIT_FAILURE)
        if results is None:
            say("stopped, saved; the same command continues")
            return run.stop.exit_code

        # === Report ===
        if chief:
            report.finish(results)
    return 0


def _train(
    run: RunContext,
    config: FinetuningConfig,
    directories: Sequence[TrialDirectory],
    report: Report,
    overwrite: bool,
) -> list[TrialResult] | None:
    """Runs the trials that are not finished.

    Returns:
      the results of all trials, also of those that earlier processes finished; None if the run was
      stopped, after saving.
    """
    # === Models ===
    precision = resolve_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    with run.strategy.scope():
        backbone, tokenizer = load_starting_model(
            config.starting_model, POLICIES[precision], run.say
        )
        objectives: dict[str, Objective] = {}
        for name, data in run.data.items():
            _check_length(config.head.length_of(data.task), data.task, backbone)
            kind = OBJECTIVES[data.task.kind]
            examples = data.examples("train")
            model = kind.new_model(data.task, examples, backbone, tokenizer, config.head)
            objectives[name] = kind(data.task, model)

    # === Rows ===
    features = {
        name: objective.features(run.data[name].examples("train"), "train")
        for name, objective in objectives.items()
    }
    learner = Learner(run.strategy, config.learning, backbone, objectives, features)
    rows = ", ".join(f"{name} {part.num_rows:,} rows" for name, part in features.items())
    run.say(
        f"{rows}; {learner.total_steps:,} steps a trial, {precision},"
        f" {distribution.describe(run.strategy)}"
    )
    if learner.total_steps == 1:
        run.say(
            "warning: the rows make but one step, whose learning rate is 0, so nothing is learned;"
            " set a smaller train_batch_size or more num_train_epochs"
        )

    # === What earlier processes have left ===
    tasks = {
        name: {
            **data.identity(),
            "num_train_epochs": config.learning.epochs_of(data.task),
            "max_seq_length": config.head.length_of(data.task),
        }
        for name, data in run.data.items()
    }
    claim = Claim(report.hparams, learner.fingerprint(), tasks)
    alike = {
        "hparams": repr((config.learning, config.trials)).encode(),
        "precision": precision.encode(),  # `auto` depends on a worker's GPUs
        "weights or rows": claim.inputs.encode(),
    }
    workers.check_alike(run.strategy, alike)
    if run.chief:
        for directory in directories:
            directory.remove() if overwrite else directory.check(claim)
    # Called as a barrier, because all workers wait for each other in it: no worker may look for results
    # before the chief has removed the old ones.
    run.agree_to_stop()

    # === Trials ===
    trainer = Trainer(run, config.trials, learner, _predictors(run, config, objectives))
    results: list[TrialResult] = []
    for directory in directories:
        result = directory.result()
        if result is None:
            if run.chief:
                directory.claim(claim)
            result = trainer.run_trial(directory)
        if result is None:
            return None
        results.append(result)
        if run.chief:
            report.write(results)
            if not config.keep_all_models:
                report.keep_best_model(results)
    return results


def _check_length(length: int, task: Task, backbone: LVBertBackbone) -> None:
    positions = backbone.max_sequence_length
    if length > positions:
        raise InputError(
            f"max_seq_length of {task.name} is {length}, but the model has {positions} positions;"
            f" set max_seq_length to {positions} or less"
        )


def _evaluate_again(
    run: RunContext, config: FinetuningConfig, directories: Sequence[TrialDirectory]
) -> list[TrialResult] | None:
    """Evaluates the models of finished trials, without training.

    Returns:
      the results of all trials; None if the run was stopped.
    """
    results = []
    for directory in directories:
        result = directory.result()
        if result is None:
            raise InputError(
                f"nothing to evaluate: there is no trained model in {directory.path};"
                " do_train trains one"
            )
        with run.strategy.scope():
            objectives = {
                name: load_tuned_model(data.task, directory) for name, data in run.data.items()
            }
        predictors = _predictors(run, config, objectives)
        metrics = evaluate(run, predictors, directory, config.n_writes_test)
        if metrics is None:
            return None
        results.append(replace(result, metrics=metrics) if config.do_eval else result)
    return results


def _predictors(
    run: RunContext, config: FinetuningConfig, objectives: Mapping[str, Objective]
) -> dict[str, Predictor]:
    return {
        name: Predictor(run.strategy, objective, config.prediction, quiet=not run.chief)
        for name, objective in objectives.items()
    }
