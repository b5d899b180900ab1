"""Tags of words: features, losses and metrics against their formulas."""

import numpy as np
import pytest
import tensorflow as tf
from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2
from task_files import task_with
from tiny_objectives import LENGTH, make_objective, outputs_of, overfit, predict, whole_batch

from lvbert_tf.finetuning.objectives.features import model_inputs
from lvbert_tf.finetuning.objectives.tagging import TaggingObjective
from lvbert_tf.finetuning.task_examples import RowLocation, TaggedSentence
from lvbert_tf.models import LVBertTokenTagger
from lvbert_tf.serving.tagger import tagger_signatures
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

NER = """Ann's B-PER
in O
New B-LOC
York I-LOC
. O

Yorkers O
sing O
"""
NER_DEV = """New B-LOC
York I-LOC
sing O

Ann B-ORG
"""
POS = "Ann NOUN\nsing VERB\n\nin PREP\nYork NOUN\n"
POS_DEV = "sing VERB\nAnn NOUN\n. PUNCT\nin PREP\n"
TOKENS = [*SPECIAL_TOKENS, "ann", "'", "s", "in", "new", "york", "##ers", ".", "sing"]
PAD, UNK, CLS, SEP, MASK, ANN, QUOTE, S, IN, NEW, YORK, ERS, DOT, SING = range(len(TOKENS))
LOC_AND_PER = ("O", "B-LOC", "I-LOC", "E-LOC", "S-LOC", "B-PER", "I-PER", "E-PER", "S-PER")


def sentence(*words, tags=None):
    return TaggedSentence(words, tags, RowLocation("here", 1))


@pytest.fixture(scope="module")
def entities(tmp_path_factory):
    files = {"train.txt": NER, "dev.txt": NER_DEV, "test.txt": "Ann\nin\n\u0007\nYorkers\n"}
    task = task_with(tmp_path_factory.mktemp("data"), "ner", files)
    return make_objective(task, TOKENS)


@pytest.fixture(scope="module")
def parts_of_speech(tmp_path_factory):
    files = {"train.txt": POS, "dev.txt": POS_DEV}
    task = task_with(tmp_path_factory.mktemp("data"), "pos", files)
    return make_objective(task, TOKENS)


def test_tags_are_those_of_the_training_examples(entities, parts_of_speech):
    assert entities.model.tags == LOC_AND_PER
    assert parts_of_speech.model.tags == ("NOUN", "PREP", "VERB")
    assert entities.model.preprocessor.sequence_length == LENGTH


SCHEMES = {
    # the tags of a file -> those a model learns, and what is written for each
    "B-X I-X I-X B-X O B-Y": (
        "O B-X I-X E-X S-X B-Y I-Y E-Y S-Y",
        "O B-X I-X I-X B-X B-Y I-Y I-Y B-Y",
    ),
    "I-X I-X E-X E-X O E-X": ("O B-X I-X E-X S-X", "O I-X I-X E-X E-X"),
    "B-X I-X E-X S-X O S-X": ("O B-X I-X E-X S-X", "O B-X I-X E-X S-X"),
    "B-X I-X L-X U-X O U-X": ("O B-X I-X L-X U-X", "O B-X I-X L-X U-X"),
    "B-X M-X E-X S-X O S-X": ("O B-X M-X E-X S-X", "O B-X M-X E-X S-X"),
    "B-X M-X E-X W-X O W-X": ("O B-X M-X E-X W-X", "O B-X M-X E-X W-X"),
    "B I I B O B": ("O B I E S", "O B I I B"),
    "B I I B B B": ("B I E S", "B I I B"),
    "B M E S S S": ("B M E S", "B M E S"),
    "B I L U O U": ("O B I L U", "O B I L U"),
}


@pytest.mark.parametrize("tags", SCHEMES)
def test_tags_are_written_as_in_the_training_file(tmp_path, tags):
    """A model learns all parts of an entity; its words, presets and exports have the user's tags."""
    tags, words = tags.split(), ["Ann", "in", "New", "York", "sing", "."]
    lines = "".join(f"{word} {tag}\n" for word, tag in zip(words, tags, strict=True))
    objective = make_objective(task_with(tmp_path, "ner", {"train.txt": lines}), TOKENS)
    (example,) = examples = objective.task.read("train").examples
    assert example.tags == tuple(tags)
    learned, written = SCHEMES[" ".join(tags)]
    model = objective.model
    assert " ".join(model.tags) == " ".join(model.preprocessor.tags) == learned
    assert " ".join(model.written_tags) == written

    features = objective.features(examples, "train")
    right = np.maximum(features.tokens["label"].to_tensor().numpy() - 1, 0)
    (prediction,) = objective.predictions(examples, features, {"tags": right})
    assert prediction == {"tags": tags}
    # Parts in an order that the scheme does not allow mark what conlleval takes them for.
    inner = model.tags.index(model.tags[1:][1] if learned[0] == "O" else model.tags[1])
    (prediction,) = objective.predictions(examples, features, {"tags": np.full_like(right, inner)})
    (expected,) = objective.task.tag_scheme.learned([[model.tags[inner]] * len(tags)], model.tags)
    assert prediction["tags"] == [model.written_as.get(tag, tag) for tag in expected]
    assert objective.score(examples, [prediction])["recall"] < 100
    assert objective.score(examples, [{"tags": tags}])["f1"] == 100


@pytest.mark.parametrize("lines", [NER, NER.replace("I-LOC", "L-LOC").replace("B-PER", "U-PER")])
def test_presets_and_exports_have_the_users_tags(tmp_path, lines):
    objective = make_objective(task_with(tmp_path, "ner", {"train.txt": lines}), TOKENS)
    users = {"O", *(f"{part}-{kind}" for part in "BILU" for kind in ("LOC", "PER"))}
    users &= {"O", *objective.model.written_tags}
    path = str(tmp_path / "preset")
    objective.model.save_to_preset(path)
    model = LVBertTokenTagger.from_preset(path)
    assert model.written_tags == objective.model.written_tags
    assert set(model.written_tags) == users
    text = "New York Ann in York sing ."
    tags = tagger_signatures(model)["serving_default"](tf.constant([text]))["tags"]
    assert [tag.decode() for tag in tags.numpy()[0]] == [tag for _, tag in model.tag([text])[0]]
    assert {tag.decode() for tag in tags.numpy()[0]} <= users


def test_a_tag_stands_at_the_first_piece_of_its_word(entities):
    features = entities.features(entities.task.read("train").examples, "train")
    assert {name: column.to_list() for name, column in features.tokens.items()} == {
        "token_ids": [
            [CLS, ANN, QUOTE, S, IN, NEW, YORK, DOT, SEP],
            [CLS, YORK, ERS, SING, SEP],
        ],
        "segment_ids": [[0] * 9, [0] * 5],
        "word_starts": [[0, 1, 0, 0, 1, 1, 1, 1, 0], [0, 1, 0, 1, 0]],
        # 1 + index: S-PER O B-LOC E-LOC O; O O
        "label": [[0, 9, 0, 0, 1, 2, 4, 1, 0], [0, 1, 0, 1, 0]],
    }
    assert not features.values


def test_without_tags_there_are_words_all_the_same(entities):
    features = entities.features(entities.task.read("test").examples, "test")
    # Tokenization leaves nothing of the third word.
    assert features.tokens["token_ids"].to_list() == [[CLS, ANN, IN, UNK, YORK, ERS, SEP]]
    assert features.tokens["word_starts"].to_list() == [[0, 1, 1, 1, 1, 0, 0]]
    assert "label" not in features.tokens
    (prediction,) = predict(entities, entities.task.read("test").examples, "test")
    assert len(prediction["tags"]) == 4
    assert set(prediction["tags"]) <= {"O", "B-LOC", "I-LOC", "B-PER", "I-PER"}


def test_words_beyond_the_length_have_no_tag(entities):
    # 14 places between [CLS] and [SEP]: the fifth word begins at the last but one.
    long = sentence(*["Ann's"] * 4, "Yorkers", "in", "in", tags=("O",) * 7)
    # The last of its pieces are cut, not its first.
    cut = sentence(*["in"] * 13, "Ann's", "in", tags=("O",) * 13 + ("S-PER", "O"))
    features = entities.features([long, cut, sentence()], "test")
    assert features.lengths.tolist() == [LENGTH, LENGTH, 2]
    rows = entities.features([long, cut], "dev").tokens
    assert rows["token_ids"].to_list()[1] == [CLS, *[IN] * 13, ANN, SEP]
    assert rows["label"].to_list() == [[0, *[1, 0, 0] * 4, 1, 0, 0], [0, *[1] * 13, 9, 0]]
    predictions = predict(entities, [long, cut, sentence()], "test")
    assert [len(prediction["tags"]) for prediction in predictions] == [5, 14, 0]


@pytest.mark.parametrize("training", [True, False], ids=["train", "dev"])
def test_a_loss_is_the_sum_over_the_known_tags_of_words(parts_of_speech, training):
    model = parts_of_speech.model
    features = parts_of_speech.features(parts_of_speech.task.read("dev").examples, "dev")
    assert features.tokens["label"].to_list() == [[0, 3, 1, 0, 2, 0]]  # none for PUNCT
    batch = whole_batch(features)
    vectors = model.backbone(model_inputs(batch))["sequence_output"].numpy()[0]
    logits = vectors @ model.output_dense.kernel.numpy() + model.output_dense.bias.numpy()
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -(log_probabilities[1, 2] + log_probabilities[2, 0] + log_probabilities[4, 1])
    losses = parts_of_speech.losses(parts_of_speech.forward(batch, training), batch)
    np.testing.assert_allclose(losses, [expected], rtol=1e-4)


def test_no_logits_leave_the_device(parts_of_speech):
    features = parts_of_speech.features(parts_of_speech.task.read("dev").examples, "dev")
    outputs = outputs_of(parts_of_speech, features)
    assert all(value.ndim < 2 for rows in outputs.values() for value in rows)
    batch = whole_batch(features)
    best = parts_of_speech.model(model_inputs(batch)).numpy().argmax(axis=-1)[0]
    np.testing.assert_array_equal(outputs["tags"][0][:6], best[:6])


def test_padding_and_company_do_not_change_a_prediction(entities):
    examples = [
        sentence("Ann"),
        sentence("New", "York", "in", "Yorkers", "sing", "."),
        sentence("sing", "Ann's"),
    ]
    together = predict(entities, examples, "test")
    alone = [predict(entities, [example], "test", length=9)[0] for example in examples]
    assert together == alone
    short = model_inputs(whole_batch(entities.features(examples[2:], "test"), 7))
    logits = entities.model(short)
    padded = model_inputs(whole_batch(entities.features(examples, "test"), LENGTH))
    np.testing.assert_allclose(entities.model(padded)[2, :6], logits[0, :6], atol=1e-5)


def test_entities_are_scored_as_by_seqeval(entities):
    examples = entities.task.read("dev").examples
    assert examples[1].tags == ("B-ORG",)  # never predicted: missed
    predicted = [("B-LOC", "I-LOC", "B-PER"), ("O",)]
    metrics = entities.score(examples, [{"tags": tags} for tags in predicted])
    precision, recall, f1, _ = precision_recall_fscore_support(
        [list(example.tags) for example in examples],
        [list(tags) for tags in predicted],
        average="micro",
        scheme=IOB2,
    )
    assert (precision, recall) == (0.5, 0.5)
    assert list(metrics) == ["f1", "precision", "recall"]
    assert metrics == pytest.approx(
        {"f1": 100 * f1, "precision": 100 * precision, "recall": 100 * recall}
    )


def test_words_are_scored_one_by_one(parts_of_speech):
    examples = parts_of_speech.task.read("dev").examples
    tags = {"tags": ["VERB", "NOUN", "NOUN"]}  # PUNCT is not known, the last word is missing
    assert parts_of_speech.score(examples, [tags]) == {"accuracy": 50.0}


@pytest.mark.parametrize("kind", ["entities", "parts_of_speech"])
def test_it_learns_and_is_loaded_again(kind, request, tmp_path):
    task = request.getfixturevalue(kind).task
    objective = make_objective(task, TOKENS)
    examples = task.read("train").examples
    first, last = overfit(objective, examples)
    assert last < 0.02 * first
    predictions = predict(objective, examples)
    assert [tuple(prediction["tags"]) for prediction in predictions] == [e.tags for e in examples]
    assert objective.score(examples, predictions)[task.metrics[0]] == 100.0

    objective.model.save_to_preset(str(tmp_path / "preset"))
    again = TaggingObjective(task, LVBertTokenTagger.from_preset(str(tmp_path / "preset")))
    assert predict(again, examples) == predictions
