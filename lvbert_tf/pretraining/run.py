"""The pre-training program: from its arguments to checkpoints, metrics and a preset."""

import contextlib
from collections.abc import Callable
from pathlib import Path, PurePath

import tensorflow as tf

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import training_in
from lvbert_tf.io.paths import parse_path
from lvbert_tf.models import LVBertTokenizer, Supernet
from lvbert_tf.pretraining.data import explained_errors, open_held_out, open_records
from lvbert_tf.pretraining.evaluation import Evaluator, HeldOut, comparison
from lvbert_tf.pretraining.learner import Learner
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs.initialization import initialize
from lvbert_tf.runs.model_directory import save_preset, write_config
from lvbert_tf.runs.open_model import StoredModel
from lvbert_tf.runs.preparation import prepare
from lvbert_tf.settings.networks import Networks
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.schedule import Schedule
from lvbert_tf.settings.user_hparams import load_hparams
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training import distribution, loop, workers
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
    config, vocabulary, start = prepare(config)
    strategy = distribution.start_strategy(
        config.devices, strategy_name, virtual_devices, tpu, cli.say
    )
    return run(config, vocabulary, start, strategy)


@distribution.explained_device_errors()
def run(
    config: PretrainingConfig,
    vocabulary: Vocabulary,
    start: StoredModel | None,
    strategy: tf.distribute.Strategy,
) -> int:
    """Trains or evaluates as a configuration says.

    Args:
      config: the configuration of an ordinary encoder or of a supernet, from `prepare`.
      vocabulary: the vocabulary of the records, from `prepare`.
      start: the model whose weights the run starts from, from `prepare`; None for random weights.
      strategy: the devices to compute on.

    Returns:
      the exit code; see `pretrain`.

    Raises:
      InputError: see `pretrain`.
    """
    if config.deterministic:
        distribution.make_deterministic()
    chief = workers.worker_of(strategy)[0] == 0
    say = cli.say if chief else cli.stay_silent
    model_dir = parse_path(config.model_dir)

    # === Open the data ===
    rows = config.networks.discriminator.vocabulary_size
    say(describe_token_table(config.vocab_file, vocabulary, rows))
    records = open_records(config.pretrain_tfrecords, config.records, vocabulary, say)
    held_out_records = open_held_out(config.eval_tfrecords, config.records, vocabulary, say)

    # === Build ===
    sampler = PathSampler.of(config.networks, config.path_sampling)
    distribution.check_batch(
        strategy,
        config.train_batch_size,
        config.gradient_accumulation_steps,
        config.eval_batch_size,
        paths=sampler.num_paths if sampler else 1,
    )
    learner = Learner.build(
        strategy,
        vocabulary,
        config.networks,
        config.objective,
        config.optimisation,
        config.step,
        resolve_precision(config.precision),
    )
    checkpoints = Checkpoints(
        model_dir / "checkpoints",
        config.keep_checkpoint_max,
        chief,
        distribution.io_device(strategy),
        **learner.saved_state(),
    )
    profiler = Profiler(model_dir / "tensorboard", config.profile_steps if chief else None)
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
        workers.agreement(strategy, config.worker_timeout, cli.end_at_once) as agree,
        training_in(model_dir) if chief else contextlib.nullcontext(),
    ):
        # === Restore ===
        _restore(start, learner, checkpoints, say)
        settings = (config.objective, config.optimisation, config.step, config.schedule)
        workers.check_alike(
            strategy,
            {
                "hparams": repr((*settings, config.evaluation)).encode(),
                "precision": learner.precision.encode(),  # `auto` depends on a worker's GPUs
                "records": str(records.num_examples).encode(),
                "step": str(learner.steps.step).encode(),
                "weights": learner.weights_digest(),
            },
        )
        if chief:
            write_config(model_dir, config, vocabulary)

        # === Train ===
        say(
            _describe_training(model_dir, config.networks, config.num_train_steps, learner, records)
        )
        try:
            complete = _train(
                model_dir,
                config.schedule,
                config.training_flops,
                learner,
                records,
                held_out,
                checkpoints,
                stop,
                agree,
                profiler,
            )
        except loop.NonFiniteLoss as error:
            cli.fail(str(error), cli.EXIT_FAILURE)
        if not complete:
            after = " after max_hours" if stop.time_is_over else ""
            say(f"stopped{after} at step {learner.steps.step}, saved; the same command continues")
            return stop.exit_code

        # === Finish ===
        if chief:
            tokenizer = LVBertTokenizer(vocabulary, config.do_lower_case)
            _finish(model_dir, learner, tokenizer, checkpoints)
    return 0


def describe_token_table(vocab_file: str, vocabulary: Vocabulary, rows: int) -> str:
    """A line for the user: the number of tokens, and the number of rows of the token table."""
    spare = rows - vocabulary.size
    return f"{vocab_file}: {vocabulary.size:,} tokens; token table: {rows:,} rows" + (
        f", {spare:,} of them for no token" if spare else ""
    )


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


def _restore(
    start: StoredModel | None,
    learner: Learner,
    checkpoints: Checkpoints,
    say: Callable[[str], None],
) -> None:
    """Resumes the run, or starts it from other weights.

    If the run has checkpoints, its newest readable one is loaded. Otherwise the weights of `start` are
    loaded, if it is given.
    """
    if checkpoints.restore_latest(say) is not None:
        learner.state.load()
        learner.steps.loss_scale.continue_restored()
    elif start is not None:
        initialize(learner.pretrainer, start, say)
        learner.steps.optimizer.restart_averages()


def _describe_training(
    model_dir: Path,
    networks: Networks,
    num_train_steps: int,
    learner: Learner,
    records: RecordSet,
) -> str:
    """A line for the user: what is trained, on what, and for how long."""
    step = learner.steps.step
    if step >= num_train_steps:
        return f"{model_dir} is already trained to step {step}; nothing to train"
    return (
        f"{networks.label}: {networks.num_parameters():,} parameters,"
        f" {learner.precision}, {distribution.describe(learner.steps.strategy)},"
        f" {records.num_examples:,} examples; from step {step} to {num_train_steps}"
    )


def _train(
    model_dir: Path,
    schedule: Schedule,
    training_flops: int,
    learner: Learner,
    records: RecordSet,
    held_out: HeldOut | None,
    checkpoints: Checkpoints,
    stop: StopRequest,
    agree: workers.Agree,
    profiler: Profiler,
) -> bool:
    """Trains from the learner's step to the last one.

    Args:
      model_dir: the directory that gets the logs.
      schedule: at which steps the loop logs, evaluates and saves.
      training_flops: FLOPs of a training step for one sequence, for the share of the hardware's peak.
      learner: what is trained.
      records: the records to train on.
      held_out: evaluates the model; None if there are no held-out records.
      checkpoints: where the state is saved.
      stop: whether a stop is requested.
      agree: see `workers.agreement`.
      profiler: records the steps that the user wants to see; it is closed at the end.

    Returns:
      True if training is complete; False if it was stopped, after saving.
    """
    steps, strategy = learner.steps, learner.steps.strategy

    def evaluate(step: int) -> bool:
        if held_out is None:
            return True
        metrics = held_out.evaluate(
            step, stopped=lambda: agree(bool(stop) and not learner.state.failed_in_a_row, 0)[0]
        )
        if metrics is not None:
            reporter.evaluated(step, metrics, comparison(metrics))
        return metrics is not None

    with explained_errors(records), contextlib.closing(profiler):
        batches = learner.batches(records)
        with TrainingLog(
            model_dir,
            schedule.num_train_steps,
            steps.step,
            learner.state.evaluated_step,
            writer=checkpoints.writer,
        ) as log:
            peak = measure_matmul_peak(learner.precision)
            reporter = Reporter(
                log,
                learner.objective.summarize,
                learner.learning_rate,
                steps.loss_scale,
                learner.settings.train_batch_size,
                peak * distribution.processors(strategy) / training_flops,
            )
            return loop.train(
                steps,
                batches,
                schedule,
                checkpoints,
                learner.state,
                reporter,
                stop,
                evaluate,
                agree,
                profiler,
            )


def _finish(
    model_dir: Path, learner: Learner, tokenizer: LVBertTokenizer, checkpoints: Checkpoints
) -> None:
    """Saves the preset (a supernet has none), and prints which files the run has written."""
    encoder, step = learner.pretrainer.discriminator, learner.steps.step
    if not isinstance(encoder, Supernet):
        with learner.evaluated_weights():
            save_preset((encoder, tokenizer), model_dir / "preset", step)
    print(f"written to {model_dir}:")
    for path, what in (
        (PurePath("preset"), "the discriminator and its tokenizer, for from_preset"),
        (checkpoints.path(step).relative_to(model_dir), "the last checkpoint, to continue from"),
        (PurePath("eval.json"), "held-out metrics"),
        (PurePath("metrics.jsonl"), "metrics by step"),
        (PurePath("tensorboard"), "the same, for tensorboard --logdir"),
        (PurePath("config.json"), "every setting"),
    ):
        if (model_dir / path).exists():
            print(f"  {path}: {what}")
