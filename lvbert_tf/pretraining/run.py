"""The pre-training program, from flags to preset."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import load_hparams
from lvbert_tf.io.locks import training_in
from lvbert_tf.io.whole import write_json
from lvbert_tf.models import ElectraPretrainer, LVBertTokenizer
from lvbert_tf.pretraining import held_out
from lvbert_tf.pretraining.evaluation import Evaluator
from lvbert_tf.pretraining.gradients import pretraining_step
from lvbert_tf.pretraining.masking import MaskingSpec
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.pretraining.path_sampling import PathSampler
from lvbert_tf.records.input_pipeline import training_dataset
from lvbert_tf.records.record_set import RecordSet, explain_data_error
from lvbert_tf.runs import token_table
from lvbert_tf.runs.initialization import initialize
from lvbert_tf.runs.model_directory import (
    check_architecture,
    save_preset,
    write_config,
)
from lvbert_tf.runs.named_weights import named_weights
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import Vocabulary
from lvbert_tf.training import distribution, logs, loop
from lvbert_tf.training.checkpoints import Checkpoints
from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.precision import POLICIES, LossScale, resolve_precision
from lvbert_tf.training.schedules import WarmupPolynomialDecay
from lvbert_tf.training.signals import StopRequest
from lvbert_tf.training.throughput import measure_matmul_peak

# What TensorFlow raises where it reads records that were damaged or removed.
_READING_ERRORS = (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.OutOfRangeError)


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
      the exit code: 0 done; 1 the loss became non-finite; 143 or 130 stopped by SIGTERM or SIGINT,
      after saving.

    Raises:
      InputError: bad arguments or bad data; before anything is written, where that can be known.
    """
    config = PretrainingConfig.create(data_dir, model_name, load_hparams(hparams))
    config, vocabulary = token_table.fit_to_vocabulary(config)
    strategy = distribution.start_strategy(
        config.devices, strategy_name, virtual_devices, tpu, cli.say
    )
    return run(config, vocabulary, strategy)


def run(config: PretrainingConfig, vocabulary: Vocabulary, strategy: tf.distribute.Strategy) -> int:
    """Trains or evaluates as a configuration says.

    Args:
      config: of an ordinary encoder or of a supernet, as `fit_to_vocabulary` gives it.
      vocabulary: as `fit_to_vocabulary` gives it.
      strategy: where to compute.

    Returns:
      as `pretrain`.

    Raises:
      InputError: as `pretrain`.
    """
    # === Data, checked before any work ===
    check_architecture(config)
    path_sampler = PathSampler.of(config.networks, config.step.path_sampling)
    distribution.check_batch(
        strategy,
        config.train_batch_size,
        config.gradient_accumulation_steps,
        config.eval_batch_size,
        paths=path_sampler.num_paths if path_sampler else 1,
    )
    precision = resolve_precision(config.precision)
    worker = distribution.worker_of(strategy)
    chief = worker[0] == 0
    say = cli.say if chief else cli.stay_silent
    say(token_table.describe(config, vocabulary))
    training_records = _open_records(config.pretrain_tfrecords, config, vocabulary, say)
    held_out_records = open_held_out(config, vocabulary, say)

    # === Networks ===
    keras.utils.set_random_seed(config.seed)
    schedule = WarmupPolynomialDecay(
        config.learning_rate, config.num_train_steps, config.num_warmup_steps, config.lr_decay_power
    )
    with strategy.scope():
        pretrainer = ElectraPretrainer.from_networks(config.networks, dtype=POLICIES[precision])
        optimizer = ReferenceAdam(schedule, weight_decay_rate=config.weight_decay_rate)
        optimizer.build(pretrainer.trainable_variables)
        loss_scale = LossScale(dynamic=precision == "float16")
    objective = PretrainingObjective.from_settings(
        config.objective, MaskingSpec.from_settings(config.objective, vocabulary)
    )
    evaluator = Evaluator(strategy, pretrainer, objective)

    model_dir = Path(config.model_dir)
    checkpoint_dir = model_dir / "checkpoints"
    state = loop.HostState()
    checkpoints = Checkpoints(
        checkpoint_dir,
        config.keep_checkpoint_max,
        writer=chief,
        weights=named_weights(pretrainer),
        optimizer=optimizer,
        loss_scale=loss_scale,
        host=state.variable,
    )
    if not config.do_train:
        if held_out_records is None:
            raise InputError(f"nothing to evaluate on: no records match {config.eval_tfrecords}")
        with _explained_errors(held_out_records):
            return _evaluate_only(
                config, checkpoints, evaluator, held_out_records, vocabulary, chief
            )

    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        if chief:
            stack.enter_context(training_in(model_dir))

        # === Restore: the run's own newest readable checkpoint, else init_checkpoint, else random ===
        step = checkpoints.restore_latest(say)
        if step is not None:
            state.load()
        elif config.init_checkpoint:
            initialize(pretrainer, config.init_checkpoint, say)
        step = step or 0
        if chief:
            write_config(model_dir, config, vocabulary)
        if step >= config.num_train_steps:
            say(f"{model_dir} is already trained to step {step}; nothing to train")
        else:
            say(
                f"{_architecture(config)}: {config.networks.num_parameters():,} parameters, {precision},"
                f" {distribution.describe(strategy)}, {training_records.num_examples:,} examples;"
                f" from step {step} to {config.num_train_steps}"
            )

        # === Train ===
        log = stack.enter_context(
            logs.TrainingLog(
                model_dir, config.num_train_steps, step, state.evaluated_step, writer=chief
            )
        )
        agree = distribution.agreement(strategy)
        flops = config.training_flops * config.train_batch_size
        peak = measure_matmul_peak(precision) * distribution.processors(strategy)

        def on_progress(step: int, loss: float, steps_per_second: float | None) -> None:
            rate = steps_per_second and steps_per_second * config.train_batch_size
            log.progress(step, loss, rate)

        def on_log(step: int, sums: Mapping[str, np.ndarray], figures: dict) -> None:
            values = objective.summarize(sums)
            # The rate of the update that made this step, not of the next one.
            values["learning_rate"] = float(schedule(step - 1))
            rate = figures.pop("steps_per_second")
            values |= figures
            if rate:
                values["examples_per_second"] = rate * config.train_batch_size
                values["share_of_peak"] = rate * flops / peak
            if loss_scale.dynamic:
                values["loss_scale"] = float(loss_scale.scale.numpy())
            log.metrics(step, logs.TRAIN, values)

        def on_evaluate(step: int) -> bool:
            if held_out_records is None:
                return True
            metrics = held_out.evaluate_held_out(
                evaluator,
                held_out_records,
                config.evaluation,
                vocabulary,
                stopped=lambda: agree(bool(stop), 0)[0],
                quiet=not chief,
            )
            if metrics is None:
                return False
            metrics = {"step": step, **metrics}
            log.metrics(step, logs.EVAL, metrics)
            if chief:
                write_json(model_dir / "eval.json", logs.without_nan(metrics))
            log.message(held_out.describe(metrics))
            return True

        train_step = pretraining_step(
            strategy, pretrainer, optimizer, loss_scale, config.step, objective, path_sampler
        )
        batches = training_dataset(
            training_records, config.train_batch_size, config.seed, step, worker
        )
        try:
            with _explained_errors(training_records):
                complete = loop.train(
                    train_step,
                    iter(batches),
                    config.schedule,
                    checkpoints,
                    state,
                    loop.Hooks(on_progress, on_log, on_evaluate, agree),
                    stop,
                )
        except loop.NonFiniteLoss as error:
            log.close()
            cli.fail(str(error), cli.EXIT_FAILURE)
        log.close()
        if not complete:
            say(f"stopped at step {train_step.step}, saved; the same command continues")
            return stop.exit_code

        # === What is left behind ===
        if chief:
            if config.layer_types is None:
                tokenizer = LVBertTokenizer(vocabulary, config.do_lower_case)
                directory = model_dir / "preset"
                save_preset((pretrainer.discriminator, tokenizer), directory, train_step.step)
            _print_written(model_dir, checkpoints.path(train_step.step))
    return 0


def _evaluate_only(config, checkpoints, evaluator, records, vocabulary, chief) -> int:
    step = checkpoints.restore_latest(cli.say if chief else cli.stay_silent)
    if step is None:
        raise InputError(f"nothing to evaluate: there is no checkpoint in {checkpoints.directory}")
    metrics = held_out.evaluate_held_out(
        evaluator, records, config.evaluation, vocabulary, quiet=not chief
    )
    assert metrics is not None  # nothing stops it
    metrics = {"step": step, **metrics}
    if chief:
        path = Path(config.model_dir) / "eval.json"
        write_json(path, logs.without_nan(metrics))
        print(held_out.describe(metrics))
        print(f"written: {path}")
    return 0


@contextlib.contextmanager
def _explained_errors(records: RecordSet) -> Iterator[None]:
    """Says what a user can do about damaged records and lost workers."""
    try:
        with distribution.explained_worker_errors():
            yield
    except _READING_ERRORS as error:
        raise explain_data_error(error, records) from error


def _architecture(config: PretrainingConfig) -> str:
    if config.layer_types is None:
        return str(config.layer_string)
    return f"supernet of {len(config.layer_string)} layers of {', '.join(config.layer_types)}"


def open_held_out(
    config: PretrainingConfig, vocabulary: Vocabulary, say: Callable[[str], None]
) -> RecordSet | None:
    """The held-out records, or None where there are none.

    Args:
      config: of the run.
      vocabulary: as `fit_to_vocabulary` gives it.
      say: called with lines for the user.

    Raises:
      InputError: they do not fit the configuration or the vocabulary, or are damaged.
    """
    if not any(tf.io.gfile.glob(part.strip()) for part in config.eval_tfrecords.split(",")):
        say(f"no held-out records match {config.eval_tfrecords}: no evaluation")
        return None
    return _open_records(config.eval_tfrecords, config, vocabulary, say)


def _open_records(pattern, config, vocabulary, say) -> RecordSet:
    records = RecordSet.open(pattern, config.records, vocabulary)
    for file, count in records.corrupt_records.items():
        say(f"warning: {file}: {count} corrupt records are left out")
    return records


def _print_written(model_dir: Path, checkpoint: Path) -> None:
    print(f"written to {model_dir}:")
    for path, what in (
        (Path("preset"), "the discriminator and its tokenizer, for from_preset"),
        (checkpoint.relative_to(model_dir), "the last checkpoint, to continue from"),
        (Path("eval.json"), "held-out figures"),
        (Path("metrics.jsonl"), "figures by step"),
        (Path("tensorboard"), "the same, for tensorboard --logdir"),
        (Path("config.json"), "every setting"),
    ):
        if (model_dir / path).exists():
            print(f"  {path}: {what}")
