"""The encoder that fine-tuning starts from: a run's, a preset's, or a reference checkpoint's."""

from collections.abc import Callable

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.parts import StartingModelSettings
from lvbert_tf.interop.reference_checkpoint import load_reference_checkpoint
from lvbert_tf.io.paths import parse_path
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.presets.quantization import refuse_quantized
from lvbert_tf.runs.loaded_model import LoadedModel, load_encoder, load_run
from lvbert_tf.runs.open_model import Preset, ReferenceCheckpoint, Run, open_model
from lvbert_tf.settings.model_overrides import ModelOverrides
from lvbert_tf.text import Vocabulary

StartingModel = tuple[LVBertBackbone, LVBertTokenizer]


def load_starting_model(
    settings: StartingModelSettings, dtype: str, report: Callable[[str], None]
) -> StartingModel:
    """Loads the encoder and its tokenizer.

    They come from `init_checkpoint` if it is given, else from the directory of the pre-trained model:
    from its preset/ if pre-training has finished, else from its newest checkpoint.

    Args:
      settings: where to look, and what the model must be like.
      dtype: the Keras dtype policy.
      report: called with a line for the user.

    Raises:
      InputError: there is no model, it cannot be read, its layers are not those of the hparams, or its
        vocabulary is not that of the data directory.
    """
    path = settings.init_checkpoint or settings.model_dir
    try:
        stored = open_model(path, Run, Preset, ReferenceCheckpoint)
    except InputError as error:
        hint = "" if settings.init_checkpoint else "; init_checkpoint names another place"
        raise InputError(f"{error}{hint}") from error
    if isinstance(stored, Run) and stored.path == stored.directory and stored.preset is not None:
        stored = stored.preset
    source = str(stored.path)
    if isinstance(stored, ReferenceCheckpoint):
        backbone, tokenizer = _load_reference(settings, str(path), dtype)
        source = f"reference checkpoint {path}"
    elif isinstance(stored, Run):
        backbone, tokenizer = _parts(load_run(stored, report, dtype))
    else:
        assert isinstance(stored, Preset)
        backbone, tokenizer = _parts(load_encoder(stored.path, dtype))
    if not isinstance(stored, ReferenceCheckpoint):
        _report_unused(settings, source, report)
    refuse_quantized(backbone, source)
    _check(settings, backbone, tokenizer, source)
    report(
        f"starting from {source}: {backbone.layer_string}, {backbone.count_params():,} parameters"
    )
    return backbone, tokenizer


def _report_unused(
    settings: StartingModelSettings, source: object, report: Callable[[str], None]
) -> None:
    """Warns of hparams of reference checkpoints that were set without one."""
    given = {
        "model_hparam_overrides": settings.model_hparam_overrides != ModelOverrides(),
        "embedding_size": settings.embedding_size is not None,
        "vocab_size": settings.vocab_size is not None,
        "do_lower_case": not settings.do_lower_case,
    }
    for name in (name for name, set_by_user in given.items() if set_by_user):
        report(f"warning: {name} has no effect: {source} is not a reference checkpoint")


def _parts(model: LoadedModel) -> StartingModel:
    assert model.tokenizer is not None
    return model.encoder, model.tokenizer


def _load_reference(settings: StartingModelSettings, path: str, dtype: str) -> StartingModel:
    # What the user does not give is read off the checkpoint.
    given = {
        "model_size": settings.model_size,
        "do_lower_case": settings.do_lower_case,
        "uniform_generator": True,  # the generator is not needed
    }
    for name in ("custom_layer_list", "embedding_size", "vocab_size"):
        value = getattr(settings, name)
        if value is not None:
            given[name] = value
    changed = {
        name: value
        for name, value in hparams.to_json(settings.model_hparam_overrides).items()
        if value != getattr(ModelOverrides(), name)
    }
    loaded = load_reference_checkpoint(path, {**given, "model_hparam_overrides": changed})
    backbone = LVBertBackbone.from_config({**loaded.discriminator.get_config(), "dtype": dtype})
    for weight, value in zip(backbone.weights, loaded.discriminator.weights, strict=True):
        weight.assign(value)
    file = settings.vocab_file or str(parse_path(settings.data_dir) / "vocab.txt")
    tokenizer = LVBertTokenizer(file, settings.do_lower_case)
    tokens, rows = tokenizer.vocabulary_size(), backbone.vocabulary_size
    if tokens < rows and settings.vocab_size is None:
        raise InputError(
            f"{path} has {rows} token embeddings, but {file} has {tokens} tokens; give the vocabulary"
            f" that it was trained with, or set vocab_size to {rows} if the rest is padding"
        )
    return backbone, tokenizer


def _check(
    settings: StartingModelSettings,
    backbone: LVBertBackbone,
    tokenizer: LVBertTokenizer,
    source: object,
) -> None:
    wanted = settings.custom_layer_list
    if wanted is not None and str(wanted) != backbone.layer_string:
        raise InputError(f"custom_layer_list is {wanted}, but {source} has {backbone.layer_string}")
    if tokenizer.vocabulary_size() > backbone.vocabulary_size:
        raise InputError(
            f"{source} has {backbone.vocabulary_size} token embeddings, but its vocabulary has"
            f" {tokenizer.vocabulary_size()} tokens"
        )
    beside = parse_path(settings.data_dir) / "vocab.txt"
    implied = beside if settings.init_checkpoint is None and beside.exists() else None
    file = settings.vocab_file or implied
    if file and Vocabulary.load(file).tokens != tokenizer.tokenizer.vocabulary.tokens:
        raise InputError(f"the vocabulary of {source} is not {file}: its ids mean other tokens")
