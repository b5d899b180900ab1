"""Refuses hparams of a pre-training run that exclude each other."""

from typing import TYPE_CHECKING

from lvbert_tf.architecture.layer_string import check_layer_types
from lvbert_tf.errors import InputError

if TYPE_CHECKING:
    from lvbert_tf.settings.pretraining import PretrainingConfig


def check_combinations(config: "PretrainingConfig") -> None:
    """Refuses hparams that are legal one by one, but not together.

    Raises:
      InputError: some hparams exclude each other. One line names them and their values.
    """
    _check_run(config)
    _check_generator(config)
    _check_supernet(config)
    for name in ("discriminator", "generator"):
        try:
            getattr(config, name)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error


def _check_run(config: "PretrainingConfig") -> None:
    batch, parts = config.train_batch_size, config.gradient_accumulation_steps
    length, positions = config.max_seq_length, config.model_hparam_overrides.max_position_embeddings
    pairs = config.model_hparam_overrides.num_hidden_layers
    rows, multiple = config.vocab_size, config.vocab_size_multiple
    if config.do_train == config.do_eval:
        value = str(config.do_train).lower()
        raise InputError(f"do_train and do_eval are both {value}; exactly one must be true")
    if config.profile_steps is not None and config.profile_steps.stop > config.num_train_steps:
        raise InputError(
            f"profile_steps {config.profile_steps} ends after num_train_steps {config.num_train_steps}"
        )
    if batch % parts:
        raise InputError(
            f"train_batch_size {batch} is not a multiple of gradient_accumulation_steps {parts}"
        )
    if rows is not None and rows % multiple:
        raise InputError(
            f"vocab_size {rows} is not a multiple of vocab_size_multiple {multiple}; without"
            " vocab_size it is the number of tokens, rounded up"
        )
    if length > positions:
        raise InputError(f"max_seq_length {length} exceeds max_position_embeddings {positions}")
    if pairs and 2 * pairs != len(config.layer_string):
        raise InputError(
            f"num_hidden_layers {pairs} stands for {2 * pairs} layers but custom_layer_list has"
            f" {len(config.layer_string)}; give one of the two"
        )


def _check_generator(config: "PretrainingConfig") -> None:
    if config.uniform_generator and config.wiring.objective != "electra":
        raise InputError(
            f"uniform_generator needs the electra objective; the objective is {config.wiring.objective}"
        )
    if config.two_tower_generator and not config.wiring.has_own_generator:
        raise InputError(
            "two_tower_generator (which electric_objective implies) needs electra_objective or"
            " electric_objective, untied_generator, and no uniform_generator"
        )
    if config.generator_layer_list and not config.wiring.has_own_generator:
        raise InputError(
            "generator_layer_list is given, but nothing has a generator of its own: that needs"
            " electra_objective or electric_objective, untied_generator, and no uniform_generator"
        )
    if config.generator_layer_list and config.generator_layers != 1:
        raise InputError(
            f"generator_layers {config.generator_layers} cuts the discriminator's layers and"
            " generator_layer_list replaces them; give one of the two"
        )


def _check_supernet(config: "PretrainingConfig") -> None:
    if config.layer_types is None:
        return
    try:
        check_layer_types(config.layer_types, config.layer_string)
    except InputError as error:
        raise InputError(f"layer_types: {error}") from error
    # Candidates are compared by how they judge the replacements of one fixed generator.
    fixed = config.uniform_generator or config.wiring.has_own_generator
    if (
        config.wiring.objective == "electric"
        or config.two_tower_generator
        or (config.wiring.objective == "electra" and not fixed)
    ):
        raise InputError(
            "layer_types, a supernet, needs electra_objective false, or a generator of its own"
            " (untied_generator or uniform_generator) with one tower"
        )
