"""The pre-training program: from its arguments to checkpoints, metrics and a preset."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import training_in
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.pretraining.data import explained_errors, open_held_out, open_records
from lvbert_tf.pretraining.evaluation import Evaluator, HeldOut, comparison
from lvbert_tf.pretraining.learner import Learner
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.records.input_pipeline import training_dataset
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs import token_table
from lvbert_tf.runs.initialization import initialize
from lvbert_tf.runs.model_directory import (
    check_architecture,
    save_preset,
    write_config,
)
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training import distribution, loop
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.logs import TrainingLog
from lvbert_tf.training.precision import resolve_precision
from lvbert_tf.training.profiler import Profiler
from lvbert_tf.training.reporter import Reporter
from lvbert_tf.training.signals import StopRequest
from lvbert_tf.training.throughput import measure_matmul_peak


def pretrain(
    data_dir: str,
    model_name: str,
    hparams: str = "",
    strategy_name: str = "auto",
    virtual_devices: int = 0,
    tpu: str | None = None,
) -> int:
    """Trains or evaluates as the hparams say; `run_pretraining.py --help` explains the arguments.

    Returns:
      the exit code: 0 done; 1 loss or gradient were not finite in too many steps in a row; 143 or 130
      stopped by SIGTERM or SIGINT, after saving; 143 also after `max_hours`.

    Raises:
      InputError: the arguments or the data are bad. Where possible, it is raised before anything is
        written.
    """
    config = PretrainingConfig.create(data_dir, model_name, load_hparams(hparams))
    config, vocabulary = token_table.fit_to_vocabulary(config)
    strategy = distribution.start_strategy(
        config.devices, strategy_name, virtual_devices, tpu, cli.say
    )
    if config.deterministic:
        distribution.make_deterministic()
    return run(config, vocabulary, strategy)


def run(config: PretrainingConfig, vocabulary: Vocabulary, strategy: tf.distribute.Strategy) -> int:
    """Trains or evaluates as a configuration says.

    Args:
      config: the configuration of an ordinary encoder or of a supernet, from `fit_to_vocabulary`.
      vocabulary: the vocabulary from `fit_to_vocabulary`.
      strategy: the devices to compute on.

    Returns:
      the exit code; see `pretrain`.

    Raises:
      InputError: see `pretrain`.
    """
    chief = distribution.worker_of(strategy)[0] == 0
    say = cli.say if chief else cli.stay_silent
    model_dir = Path(config.model_dir)
    _check(config, strategy)
    say(token_table.describe_token_table(config, vocabulary))
    records = open_records(config.pretrain_tfrecords, config.records, vocabulary, say)
    held_out_records = open_held_out(config.eval_tfrecords, config.records, vocabulary, say)
    learner = Learner.build(
        strategy,
        vocabulary,
        config.networks,
        config.objective,
        config.optimisation,
        config.step,
        resolve_precision(config.precision),
    )
    checkpoints = learner.checkpoints(model_dir / "checkpoints", config.keep_checkpoint_max, chief)
    held_out = None
    if held_out_records is not None:
        evaluator = Evaluator(strategy, learner.pretrainer, learner.objective)
        file = model_dir / "eval.json" if chief else None
        held_out = HeldOut(
            evaluator,
            held_out_records,
            config.evaluation,
            vocabulary,
            file,
            learner.evaluated_weights,
        )
    if not config.do_train:
        if held_out is None:
            raise InputError(f"nothing to evaluate on: no records match {config.eval_tfrecords}")
        _evaluate(checkpoints, held_out, say)
        return 0

    with (
        StopRequest(config.max_hours) as stop,
        training_in(model_dir) if chief else contextlib.nullcontext(),
    ):
        _restore(config.init_checkpoint, learner, checkpoints, say)
        if chief:
            write_config(model_dir, config, vocabulary)
        try:
            complete = _train(config, learner, records, held_out, checkpoints, stop, say)
        except loop.NonFiniteLoss as error:
            cli.fail(str(error), cli.EXIT_FAILURE)
        if not complete:
            after = " after max_hours" if stop.time_is_over else ""
            say(f"stopped{after} at step {learner.steps.step}, saved; the same command continues")
            return stop.exit_code
        if chief:
            _finish(config, vocabulary, learner, checkpoints)
    return 0


def _check(config: PretrainingConfig, strategy: tf.distribute.Strategy) -> None:
    """Refuses what does not fit the model directory or the replicas."""
    check_architecture(config)
    sampler = PathSampler.of(config.networks, config.path_sampling)
    distribution.check_batch(
        strategy,
        config.train_batch_size,
        config.gradient_accumulation_steps,
        config.eval_batch_size,
        paths=sampler.num_paths if sampler else 1,
    )


def _restore(
    init_checkpoint: str | None,
    learner: Learner,
    checkpoints: Checkpoints,
    say: Callable[[str], None],
) -> None:
    """Resumes the run, or starts it from other weights.

    If the run has checkpoints, its newest readable one is loaded, and `init_checkpoint` is ignored.
    Otherwise the weights of `init_checkpoint` are loaded, if one is given.
    """
    if checkpoints.restore_latest(say) is not None:
        learner.state.load()
    elif init_checkpoint:
        initialize(learner.pretrainer, init_checkpoint, say)
        learner.steps.optimizer.restart_averages()


def _train(
    config: PretrainingConfig,
    learner: Learner,
    records: RecordSet,
    held_out: HeldOut | None,
    checkpoints: Checkpoints,
    stop: StopRequest,
    say: Callable[[str], None],
) -> bool:
    """Trains from the learner's step to the last one.

    Returns:
      True if training is complete; False if it was stopped, after saving.
    """
    steps, strategy = learner.steps, learner.steps.strategy
    worker = distribution.worker_of(strategy)
    agree = distribution.agreement(strategy)
    _say_what_is_trained(config, learner, records, say)

    def evaluate(step: int) -> bool:
        if held_out is None:
            return True
        metrics = held_out.evaluate(step, stopped=lambda: agree(bool(stop), 0)[0])
        if metrics is not None:
            reporter.evaluated(step, metrics, comparison(metrics))
        return metrics is not None

    with TrainingLog(
        config.model_dir,
        config.num_train_steps,
        steps.step,
        learner.state.evaluated_step,
        writer=worker[0] == 0,
    ) as log:
        peak = measure_matmul_peak(learner.precision)
        reporter = Reporter(
            log,
            learner.objective.summarize,
            learner.learning_rate,
            steps.loss_scale,
            config.train_batch_size,
            peak * distribution.processors(strategy) / config.training_flops,
        )
        batches = training_dataset(
            records, config.train_batch_size, config.seed, steps.step, worker
        )
        profiled = config.profile_steps if worker[0] == 0 else None
        profiler = Profiler(Path(config.model_dir) / "tensorboard", profiled)
        with explained_errors(records), contextlib.closing(profiler):
            return loop.train(
                steps,
                iter(batches),
                config.schedule,
                checkpoints,
                learner.state,
                reporter,
                stop,
                evaluate,
                agree,
                profiler,
            )


def _finish(
    config: PretrainingConfig, vocabulary: Vocabulary, learner: Learner, checkpoints: Checkpoints
) -> None:
    """Saves the preset (a supernet has none), and prints which files the run has written."""
    model_dir, step = Path(config.model_dir), learner.steps.step
    if config.layer_types is None:
        tokenizer = LVBertTokenizer(vocabulary, config.do_lower_case)
        with learner.evaluated_weights():
            save_preset((learner.pretrainer.discriminator, tokenizer), model_dir / "preset", step)
    print(f"written to {model_dir}:")
    for path, what in (
        (Path("preset"), "the discriminator and its tokenizer, for from_preset"),
        (checkpoints.path(step).relative_to(model_dir), "the last checkpoint, to continue from"),
        (Path("eval.json"), "held-out metrics"),
        (Path("metrics.jsonl"), "metrics by step"),
        (Path("tensorboard"), "the same, for tensorboard --logdir"),
        (Path("config.json"), "every setting"),
    ):
        if (model_dir / path).exists():
            print(f"  {path}: {what}")


def _evaluate(checkpoints: Checkpoints, held_out: HeldOut, say: Callable[[str], None]) -> None:
    """Evaluates the run's newest readable checkpoint, and prints the metrics."""
    with explained_errors(held_out.records):
        step = checkpoints.restore_latest(say)
        if step is None:
            raise InputError(
                f"nothing to evaluate: there is no checkpoint in {checkpoints.directory}"
            )
        metrics = held_out.evaluate(step)
    assert metrics is not None  # nothing stops it
    if held_out.file is not None:
        print(comparison(metrics))
        print(f"written: {held_out.file}")


def _say_what_is_trained(
    config: PretrainingConfig, learner: Learner, records: RecordSet, say: Callable[[str], None]
) -> None:
    step = learner.steps.step
    if step >= config.num_train_steps:
        say(f"{config.model_dir} is already trained to step {step}; nothing to train")
        return
    say(
        f"{config.networks.label}: {config.networks.num_parameters():,} parameters,"
        f" {learner.precision}, {distribution.describe(learner.steps.strategy)},"
        f" {records.num_examples:,} examples; from step {step} to {config.num_train_steps}"
    )
