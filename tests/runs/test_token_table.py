"""Rows of the token table follow the vocabulary, or what a run began with."""

import json

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.runs.model_directory import write_config
from lvbert_tf.runs.token_table import as_begun, fit_to_vocabulary
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS, Vocabulary

TOKENS = 40


def write_vocabulary(directory, tokens: int = TOKENS) -> Vocabulary:
    words = [f"w{number}" for number in range(tokens - len(SPECIAL_TOKENS))]
    (directory / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, *words]) + "\n")
    return Vocabulary.load(directory / "vocab.txt")


def config_of(directory, name="new", **hparams) -> PretrainingConfig:
    return PretrainingConfig.create(str(directory), name, {"custom_layer_list": "F", **hparams})


def begin(directory, name, tokens=None, **hparams) -> None:
    """What a run leaves as it begins; without `tokens` as earlier releases wrote it."""
    config = config_of(directory, name, **hparams)
    model_dir = directory / "models" / name
    model_dir.mkdir(parents=True)
    if tokens is None:
        saved = config.to_json_dict()
        del saved["hparams"]["vocab_size_multiple"]
        (model_dir / "config.json").write_text(json.dumps(saved))
    else:
        write_config(model_dir, config, tokens)


@pytest.mark.parametrize(
    ("hparams", "rows"),
    [({}, 40), ({"vocab_size_multiple": 64}, 64), ({"vocab_size": 100}, 100)],
)
def test_rows_follow_the_vocabulary_unless_they_are_given(tmp_path, hparams, rows):
    write_vocabulary(tmp_path)
    config, vocabulary = fit_to_vocabulary(config_of(tmp_path, **hparams))
    assert config.vocab_size == config.discriminator.vocabulary_size == rows
    assert vocabulary.size == TOKENS


def test_rows_that_are_too_few_or_no_multiple_are_refused(tmp_path):
    write_vocabulary(tmp_path)
    with pytest.raises(
        InputError, match="has 40 tokens, but vocab_size is 39; set vocab_size to 40"
    ):
        fit_to_vocabulary(config_of(tmp_path, vocab_size=39))
    with pytest.raises(
        InputError, match="vocab_size 40 is not a multiple of vocab_size_multiple 64"
    ):
        config_of(tmp_path, vocab_size=40, vocab_size_multiple=64)


def test_runs_of_earlier_releases_keep_their_rows(tmp_path):
    write_vocabulary(tmp_path)
    begin(tmp_path, "old", vocab_size=30522)
    config, _ = fit_to_vocabulary(config_of(tmp_path, "old"))
    assert config.vocab_size == 30522
    assert as_begun(config_of(tmp_path, "old")).vocab_size == 30522
    # Also what starts from their weights.
    for path in ("models/old", "models/old/checkpoints/step-00000001"):
        start = str(tmp_path / path)
        config, _ = fit_to_vocabulary(config_of(tmp_path, init_checkpoint=start))
        assert config.vocab_size == 30522


def test_rows_of_a_run_or_a_checkpoint_that_are_no_multiple_are_refused(tmp_path, fixtures):
    write_vocabulary(tmp_path, 120)
    begin(tmp_path, "run", vocab_size=120)
    run, checkpoint = str(tmp_path / "models/run"), str(fixtures / "tiny" / "model.ckpt")
    for hparams, where in (
        ({"name": "run"}, run),
        ({"init_checkpoint": run}, run),
        ({"init_checkpoint": checkpoint}, checkpoint),
    ):
        with pytest.raises(InputError) as refusal:
            fit_to_vocabulary(config_of(tmp_path, vocab_size_multiple=64, **hparams))
        assert str(refusal.value) == (
            f"the token table of {where} has 120 rows, not a multiple of vocab_size_multiple 64;"
            " leave vocab_size_multiple out"
        )


def test_the_vocabulary_of_a_run_is_known_again(tmp_path):
    begin(tmp_path, "run", write_vocabulary(tmp_path), vocab_size=64)
    assert fit_to_vocabulary(config_of(tmp_path, "run"))[0].vocab_size == 64
    write_vocabulary(tmp_path, 39)
    for hparams in ({"name": "run"}, {"init_checkpoint": str(tmp_path / "models/run")}):
        with pytest.raises(InputError, match=r"has 39 tokens and is not the vocabulary of 40 that"):
            fit_to_vocabulary(config_of(tmp_path, **hparams))


def test_rows_of_a_reference_checkpoint(tmp_path, fixtures):
    start = {"init_checkpoint": str(fixtures / "tiny" / "model.ckpt")}  # of 120 rows
    write_vocabulary(tmp_path)
    with pytest.raises(
        InputError, match=r"has 120 token embeddings, but .*vocab\.txt has 40 tokens"
    ):
        fit_to_vocabulary(config_of(tmp_path, **start))
    assert fit_to_vocabulary(config_of(tmp_path, vocab_size=120, **start))[0].vocab_size == 120
    write_vocabulary(tmp_path, 120)
    assert fit_to_vocabulary(config_of(tmp_path, **start))[0].vocab_size == 120
