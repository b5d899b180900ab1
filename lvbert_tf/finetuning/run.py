"""The fine-tuning program, from flags to tables."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import keras

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.learning.evaluation import TaskPredictor, evaluate
from lvbert_tf.finetuning.learning.learner import Learner
from lvbert_tf.finetuning.learning.starting_model import load_starting_model
from lvbert_tf.finetuning.learning.trial import Trainer
from lvbert_tf.finetuning.learning.tuned_model import load_tuned_model
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.objective import Objective
from lvbert_tf.finetuning.results.reporting import finish, keep_best_model, write_figures
from lvbert_tf.finetuning.results.results import TrialResult
from lvbert_tf.finetuning.results.trial_directory import TrialDirectory
from lvbert_tf.finetuning.run_context import RunContext
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_data import read_task_data
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.hparams import load_hparams
from lvbert_tf.io.locks import training_in
from lvbert_tf.training import distribution, loop
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
      the exit code: 0 done; 1 the loss became non-finite; 143 or 130 stopped by SIGTERM or SIGINT,
      after saving.

    Raises:
      InputError: bad arguments or bad data; before anything is written, where that can be known.
    """
    config = FinetuningConfig.create(data_dir, model_name, load_hparams(hparams))
    if overwrite and not config.do_train:
        raise InputError("--overwrite removes what was trained, but do_train false trains nothing")
    tasks = [find_task(name, data_dir, config.data_source) for name in config.task_names.names]
    strategy = distribution.start_strategy(config, strategy_name, virtual_devices, tpu)
    distribution.check_batch(strategy, config.train_batch_size, 1, config.eval_batch_size)
    chief = distribution.worker_of(strategy)[0] == 0
    say = cli.say if chief else cli.stay_silent
    with ExitStack() as stack:
        run = RunContext(
            config=config,
            data={task.name: read_task_data(task, config, say) for task in tasks},
            strategy=strategy,
            stop=stack.enter_context(StopRequest()),
            agree=distribution.agreement(strategy),
            chief=chief,
            say=say,
        )
        if chief:
            # Other tasks may be learned at the same time.
            models = config.model_dir / "finetuning_models"
            stack.enter_context(training_in(models, str(config.task_names)))
        stack.enter_context(distribution.explained_worker_errors())
        directories = [TrialDirectory(config, trial + 1) for trial in range(config.num_trials)]
        try:
            work = _train if config.do_train else _evaluate_again
            complete = work(run, directories, overwrite)
        except loop.NonFiniteLoss as error:
            cli.fail(str(error), cli.EXIT_FAILURE)
        if not complete:
            say("stopped, saved; the same command continues")
            return run.stop.exit_code
    return 0


def _train(run: RunContext, directories: Sequence[TrialDirectory], overwrite: bool) -> bool:
    config, strategy = run.config, run.strategy

    # === Models ===
    precision = resolve_precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    with strategy.scope():
        backbone, tokenizer = load_starting_model(config, POLICIES[precision], run.say)
        objectives: dict[str, Objective] = {}
        for name, data in run.data.items():
            _check_length(config, data.task, backbone.max_sequence_length)
            kind = OBJECTIVES[data.task.kind]
            examples = data.examples("train")
            model = kind.new_model(data.task, examples, backbone, tokenizer, config)
            objectives[name] = kind(data.task, model)

    # === Rows ===
    features = {
        name: objective.features(run.data[name].training_examples(config.double_unordered), "train")
        for name, objective in objectives.items()
    }
    learner = Learner(strategy, config, backbone, objectives, features)
    rows = ", ".join(f"{name} {part.num_rows:,} rows" for name, part in features.items())
    run.say(
        f"{rows}; {learner.total_steps:,} steps a trial, {precision},"
        f" {distribution.describe(strategy)}"
    )

    # === Trials ===
    inputs = learner.fingerprint()
    if run.chief:
        for directory in directories:
            directory.remove() if overwrite else directory.check(inputs)
    run.stopped()  # so that no worker looks for results before
    predictors = _predictors(run, objectives)
    trainer = Trainer(run, learner, predictors)
    results: list[TrialResult] = []
    for directory in directories:
        result = directory.result()
        if result is None:
            if run.chief:
                directory.claim(inputs)
            result = trainer.run_trial(directory)
        if result is None:
            return False
        results.append(result)
        if run.chief:
            write_figures(run, results)
            if not config.keep_all_models:
                keep_best_model(run, results)
    if run.chief:
        finish(run, results)
    return True


def _check_length(config: FinetuningConfig, task: Task, positions: int) -> None:
    length = config.length_of(task)
    if length > positions:
        raise InputError(
            f"max_seq_length of {task.name} is {length}, but the model has {positions} positions;"
            f" set max_seq_length to {positions} or less"
        )


def _evaluate_again(run: RunContext, directories: Sequence[TrialDirectory], _: bool) -> bool:
    """Evaluates the models of trials that were trained before."""
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
        figures = evaluate(run, _predictors(run, objectives), directory)
        if figures is None:
            return False
        results.append(replace(result, figures=figures) if run.config.do_eval else result)
    if run.chief:
        write_figures(run, results)
        finish(run, results)
    return True


def _predictors(run: RunContext, objectives: dict[str, Objective]) -> dict[str, TaskPredictor]:
    return {
        name: TaskPredictor(run.strategy, objective, run.config, quiet=not run.chief)
        for name, objective in objectives.items()
    }
