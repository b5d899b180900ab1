"""Question answering as an objective: positions by hand, losses by formula, what it learns."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.objectives import OBJECTIVES
from lvbert_tf.finetuning.objectives.span import SpanObjective
from lvbert_tf.finetuning.settings import FinetuningConfig
from lvbert_tf.finetuning.task_examples import Question, RowLocation, Span
from lvbert_tf.finetuning.tasks.question_answering import SPAN_TASKS
from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

WORDS = ["who", "what", "?", *"abcdefgh", "##g", "cafe", "."]
TOKENS = [*SPECIAL_TOKENS, *WORDS]
CLS, SEP, WHO, WHAT = (TOKENS.index(token) for token in ("[CLS]", "[SEP]", "who", "what"))


def question(context, answer=None, text="who", key="q", start=None) -> Question:
    """`answer` is found in the context; None: there is none."""
    if answer is None:
        return Question(key, text, context, (), (), True, RowLocation("f", 1))
    start = context.index(answer) if start is None else start
    spans = (Span(start, start + len(answer)),)
    return Question(key, text, context, (answer,), spans, False, RowLocation("f", 1))


@pytest.fixture(scope="module")
def backbone(randomize):
    return randomize(new_backbone())


def new_backbone() -> LVBertBackbone:
    return LVBertBackbone(len(TOKENS), "CAF", 2, 16, 32, dropout=0.0, max_sequence_length=64)


@pytest.fixture(scope="module")
def make_objective(tmp_path_factory, backbone):
    def make(task_name="squad", backbone=backbone, **hparams) -> SpanObjective:
        task = SPAN_TASKS[task_name].from_files(task_name, tmp_path_factory.mktemp("task"))
        hparams = {"max_seq_length": 12, "max_query_length": 2, "doc_stride": 3} | hparams
        config = FinetuningConfig.create("data", "tiny", hparams)
        tokenizer = LVBertTokenizer(TOKENS)
        model = OBJECTIVES["span"].new_model(task, (), backbone, tokenizer, config.head)
        return OBJECTIVES["span"](task, model)

    return make


@pytest.fixture(scope="module")
def objective(make_objective):
    return make_objective()


def labels(objective, *examples) -> list[tuple]:
    """(start, end, impossible) of every row."""
    values = objective.features(examples, "train").values
    columns = (values[name].numpy().tolist() for name in ("start", "end", "impossible"))
    return list(zip(*columns, strict=True))


def test_rows_and_positions_by_hand(objective):
    """Rows of 12 have 8 tokens of context beside one of the question."""
    example = question("a b c d", "b c", text="Who?")
    features = objective.features([example], "train")
    batch = features.batch(tf.constant([0]), 12)
    row = [TOKENS[token] for token in batch["token_ids"].numpy()[0]]
    assert row == ["[CLS]", "who", "?", "[SEP]", *"abcd", "[SEP]", *["[PAD]"] * 3]
    assert batch["segment_ids"].numpy()[0].tolist() == [0] * 4 + [1] * 5 + [0] * 3
    assert batch["padding_mask"].numpy()[0].tolist() == [1] * 9 + [0] * 3
    assert [batch[name].numpy().tolist() for name in ("start", "end")] == [[5], [6]]
    assert (features.num_rows, features.lengths.tolist()) == (1, [9])


@pytest.mark.parametrize(
    ("context", "answer", "expected"),
    [
        ("a b c d", "a", (3, 3)),
        ("a b c d", "d", (6, 6)),
        ("a b c d", "a b c d", (3, 6)),
        ("a 🎤 Café bg.", "Café", (5, 5)),
        ("a 🎤 Cafe\u0301 bg.", "Cafe\u0301", (5, 5)),
        ("a 🎤 Café bg.", "🎤 Café b", (4, 6)),
        ("a 🎤 Café bg.", "g", (7, 7)),  # inside a word: the piece
        ("a 🎤 Café bg.", "fé", (5, 5)),  # inside a token: that token
        ("a 🎤 Café bg.", ".", (8, 8)),
        ("a  \t b", "  ", (0, 0)),  # no token stands for it
    ],
    ids=[*"abcdefghij"],
)
def test_positions_of_answers(objective, context, answer, expected):
    assert labels(objective, question(context, answer)) == [(*expected, 0)]


def test_windows_without_the_whole_answer_point_at_cls(objective):
    """Windows at tokens 0, 3 and 6 of 12, 8 tokens each; the answer's tokens are 7 and 8."""
    context = "a a a a a a a b c d d d"
    example = question(context, "b c")
    assert labels(objective, example) == [(0, 0, 0), (7, 8, 0), (4, 5, 0)]
    assert labels(objective, question(context)) == [(0, 0, 1)] * 3
    long = question(context, context)  # longer than any window
    assert labels(objective, long, question("a")) == [(0, 0, 0)] * 3 + [(0, 0, 1)]


def test_only_training_needs_the_answers_places(objective):
    example = dataclasses.replace(question("a b", "b"), spans=())
    for role in ("dev", "test"):
        assert dict(objective.features([example], role).values) == {}


def test_contexts_are_in_memory_once(objective):
    examples = [question("a b c " * 100, "b", key=str(key)) for key in range(50)]
    features = objective.features(examples, "train")
    assert features.num_rows > 50 * 90
    assert features.tokens["context_ids"].values.shape == [301]


@pytest.mark.parametrize(
    ("task", "settings", "weight"),
    [
        ("squad", {}, 0.5),
        ("squad", {"answerable_uses_start_logits": False, "answerable_weight": 0.25}, 0.25),
        ("squad", {"answerable_classifier": False}, 0.0),
        ("squadv1", {}, 0.0),
        ("squadv1", {"joint_prediction": False}, 0.0),
    ],
    ids=["classifier", "first_vector", "span", "answerable", "independent"],
)
def test_losses(make_objective, task, settings, weight):
    objective = make_objective(task, **settings)
    examples = [question("a b c d", "b c", text="Who?"), question("a b", text="what")]
    batch = objective.features(examples, "train").batch(tf.constant([0, 1]), 12)
    outputs = objective.forward(batch, training=True)
    starts, ends = (tf.nn.log_softmax(outputs[f"{n}_logits"]).numpy() for n in ("start", "end"))
    expected = np.array([-(starts[0, 5] + ends[0, 6]) / 2, -(starts[1, 0] + ends[1, 0]) / 2])
    if weight:
        score = outputs["no_answer_score"].numpy()
        expected += weight * np.log1p(np.exp(np.array([1, -1]) * score))
    np.testing.assert_allclose(objective.losses(outputs, batch), expected, rtol=1e-4)
    assert ("no_answer_score" in outputs) == (weight > 0)
    found = objective.forward(batch, training=False)
    assert ("no_answer_score" in found) == (task == "squad")


def test_settings_come_from_the_hparams(make_objective):
    model = make_objective(
        **{"max_seq_length": 20, "max_query_length": 5, "doc_stride": 7, "n_best_size": 3},
        **{"max_answer_length": 4, "beam_size": 6, "qa_na_threshold": 0.5},
    ).model
    preprocessor = model.preprocessor
    assert (preprocessor.sequence_length, preprocessor.max_query_length) == (20, 5)
    assert (preprocessor.doc_stride, model.beam_size, model.joint) == (7, 6, True)
    assert (model.n_best_size, model.max_answer_length) == (3, 4)
    assert (model.no_answer, model.no_answer_threshold) == ("likely_starts", 0.5)
    independent = make_objective(joint_prediction=False, n_best_size=3, beam_size=6).model
    assert (independent.joint, independent.beam_size) == (False, 3)
    with pytest.raises(InputError, match="max_query_length 64 leaves no room"):
        make_objective(max_query_length=64)


def test_metrics_of_predictions(objective, make_objective):
    examples = [question("b c", "b", key="1"), question("b c", key="2")]
    predictions = [
        {"id": "1", "answer": "b c", "no_answer_score": -3.0},
        {"id": "2", "answer": "b", "no_answer_score": -2.7},
    ]
    metrics = objective.score(examples, predictions)  # the threshold is -2.75
    assert (metrics["exact"], metrics["HasAns_exact"], metrics["NoAns_exact"]) == (50, 0, 100)
    metrics = make_objective("squadv1").score(examples[:1], predictions[:1])
    assert metrics == {"exact_match": 0.0, "f1": pytest.approx(200 / 3)}


@pytest.mark.parametrize(
    ("rule", "match", "f1"),
    [("squad", 100, 100), ("cmrc", 0, 200 / 3), ("characters", 0, 100 * 8 / 11)],
)
def test_answers_are_scored_by_the_rule_of_the_task(make_objective, rule, match, f1):
    examples = [question("the cafe", "the cafe", key="1")]
    predictions = [{"id": "1", "answer": "cafe", "no_answer_score": -3.0}]
    for name, metric in (("squadv1", "exact_match"), ("squad", "exact")):
        objective = make_objective(name)
        objective.task = dataclasses.replace(objective.task, answer_rule=rule)
        metrics = objective.score(examples, predictions)
        assert (metrics[metric], metrics["f1"]) == (match, pytest.approx(f1))


def predict(objective, examples):
    features = objective.features(examples, "dev")
    outputs = {}
    # Two batches of unequal length, as in buckets.
    for rows in np.array_split(np.arange(features.num_rows), 2):
        batch = features.batch(tf.constant(rows), int(features.lengths[rows].max()))
        for name, value in objective.forward(batch, training=False).items():
            outputs.setdefault(name, []).extend(value.numpy())
    return objective.predictions(examples, features, outputs)


def lesson(index: int) -> Question:
    """Who: the word after `a`, if there is one. What: the last two words."""
    random = np.random.default_rng(index)
    words = [str(word) for word in random.choice(["b", "c", "d", "e", "É🎤"], 4 + index)]
    first = last = int(random.integers(1, len(words)))
    if index % 3 == 1:
        words[first - 1] = "a"
    elif index % 3 == 2:
        first, last = len(words) - 2, len(words) - 1
    context = "  ".join([*words, "."])
    start, end = (sum(len(word) + 2 for word in words[:place]) for place in (first, last))
    answer = context[start : end + len(words[last])] if index % 3 else None
    return question(context, answer, "what" if index % 3 == 2 else "who", f"q{index}", start)


def test_learns_twenty_questions(make_objective):
    """A third has no answer, and some contexts take several windows."""
    examples = [lesson(index) for index in range(20)]
    keras.utils.set_random_seed(1)
    objective = make_objective(backbone=new_backbone(), max_seq_length=16, doc_stride=6)
    features = objective.features(examples, "train")
    assert features.num_rows > len(examples)
    batch = features.batch(tf.range(features.num_rows), 16)
    optimizer = keras.optimizers.Adam(5e-3)
    variables = objective.model.trainable_variables

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = objective.forward(batch, training=True)
            loss = tf.reduce_mean(objective.losses(outputs, batch))
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    losses = [float(step()) for _ in range(150)]
    assert losses[-1] < 0.05 * losses[0]
    predictions = predict(objective, examples)
    metrics = objective.score(examples, predictions)
    assert (metrics["exact"], metrics["f1"], metrics["NoAns_exact"]) == (100, 100, 100)
    for example, prediction in zip(examples, predictions, strict=True):
        assert prediction["id"] == example.id
        assert example.context[prediction["start"] : prediction["end"]] == prediction["answer"]
        if not example.impossible:
            assert prediction["answer"] in example.answers
            assert prediction["start"] == example.spans[0].start
    alone = objective.model.answer(examples[-1].question, examples[-1].context)
    assert alone["answer"] == predictions[-1]["answer"]
