"""Questions in the formats of SQuAD and MRQA."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from task_files import json_lines, refusal, task_with

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import Span

CONTEXT = "Beyoncé 🎤 was born in Houston, Texas. Houston is hot."
HOUSTON = CONTEXT.index("Houston")


def squad(*questions, context=CONTEXT) -> str:
    paragraphs = [{"context": context, "qas": list(questions)}]
    return json.dumps({"version": "v2.0", "data": [{"title": "T", "paragraphs": paragraphs}]})


def question(key="q1", answers=(("Houston", HOUSTON),), **members):
    marked = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": key, "question": "Where?", "answers": marked} | members


def mrqa(*questions, context=CONTEXT) -> str:
    header = {"header": {"dataset": "NewsQA", "split": "train"}}
    return json_lines(header, {"id": "", "context": context, "qas": list(questions)})


def mrqa_question(key="q1", spans=((HOUSTON, HOUSTON + 6),), text="Houston", **members):
    found = [{"text": text, "char_spans": [list(span) for span in spans], "token_spans": [[5, 5]]}]
    return {
        **{"qid": key, "id": "not unique", "question": "Where?", "question_tokens": [["Where", 0]]},
        **{"answers": ["Houston", "Houston, Texas"], "detected_answers": found},
    } | members


def without(item, name):
    return {key: value for key, value in item.items() if key != name}


def spans_text(example) -> list[str]:
    return [example.context[span.start : span.end] for span in example.spans]


# --- SQuAD


def test_squad_1(tmp_path):
    answers = (("Houston", HOUSTON), ("Houston, Texas", HOUSTON))
    files = {"train.json": squad(question(answers=answers)), "dev.json.gz": squad(question("d"))}
    task = task_with(tmp_path, "squadv1", files)
    (example,) = task.read("train").examples
    assert (example.id, example.question, example.context) == ("q1", "Where?", CONTEXT)
    assert example.answers == ("Houston", "Houston, Texas")
    assert example.spans == (Span(HOUSTON, HOUSTON + 7), Span(HOUSTON, HOUSTON + 14))
    assert not example.impossible
    assert str(example.location).endswith("train.json, data[0].paragraphs[0].qas[0]")
    assert task.read("dev").examples[0].id == "d"
    assert (task.metrics, task.unanswerable) == (("exact_match", "f1"), False)
    assert (task.num_train_epochs, task.max_seq_length) == (2, 512)


def test_squad_2(tmp_path):
    plausible = [{"text": "Texas", "answer_start": CONTEXT.index("Texas")}]
    none = question("q2", (), is_impossible=True, plausible_answers=plausible)
    files = {"train.json": squad(question(is_impossible=False), none), "dev.json": squad(none)}
    task = task_with(tmp_path, "squad", files)
    possible, impossible = task.read("train").examples
    assert (possible.impossible, spans_text(possible)) == (False, ["Houston"])
    assert (impossible.impossible, impossible.answers, impossible.spans) == (True, (), ())
    assert [example.impossible for example in task.read("dev").examples] == [True]
    assert (task.metrics, task.unanswerable) == (("exact", "f1"), True)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (question(answers=[("Houston", HOUSTON + 1)]), "the answer 'Houston' is not at 23, where"),
        (question(answers=[("Houston", -1)]), "the answer 'Houston' is not at -1"),
        (question(answers=[("hot.!", len(CONTEXT) - 4)]), "the answer 'hot.!' is not at"),
        (question(answers=[("", 0)]), "the answer '' is not at 0"),
        (question(answers=[("houston", HOUSTON)]), "the answer 'houston' is not at"),
        (question(answers=[("Houston", str(HOUSTON))]), "answer_start must be integer: '22'"),
        (question(answers=[("Houston", True)]), "answer_start must be integer: True"),
        (question(answers=[(1, HOUSTON)]), "text must be text: 1"),
        (question(answers=()), "no answer"),
        (question(answers=(), is_impossible=True), "the context has no answer, but the task"),
        (question(answers=[("\ud83d", HOUSTON)]), "answer is not valid UTF-8"),
        (question(key=1.0), "id must be text or an integer: 1.0"),
        (question(key=True), "id must be text or an integer: True"),
        (question(key=""), "id is empty"),
        (question(question=None), "question must be text: None"),
        (question(is_impossible="no"), "is_impossible must be true or false, or 1 or 0: 'no'"),
        (question(is_impossible=2), "is_impossible must be true or false, or 1 or 0: 2"),
        (question(is_impossible=[]), "is_impossible must be true or false, or 1 or 0: []"),
        ({"id": "q", "question": "?", "answers": {}}, "answers must be list: {}"),
        ({"id": "q", "question": "?", "answers": None}, "answers must be list: None"),
        (
            {"id": "q", "question": "?", "answer": []},
            "answers is missing; there is 'id', 'question',",
        ),
        ({"question": "?", "answers": []}, "id is missing; there is 'question', 'answers'"),
        ({}, "id is missing; there is nothing"),
        ("Where?", "expected an object with id: 'Where?'"),
    ],
)
def test_bad_questions_are_refused_or_counted(tmp_path, item, message):
    task = task_with(tmp_path, "squadv1", {"train.json": squad(question("good"), item)})
    assert f"qas[1]: {message}" in refusal(task.read, "train")
    reading = task.read("train", skip_bad_rows=True)
    assert [example.id for example in reading.examples] == ["good"]
    assert reading.skipped == 1


@pytest.mark.parametrize(
    ("members", "impossible"),
    [
        *[({"answers": [], "is_impossible": yes}, True) for yes in (True, "true", "True", 1, "1")],
        ({"answers": []}, True),
        ({"answers": [], "is_impossible": None}, True),
        ({"is_impossible": True}, True),
        ({"answers": None, "is_impossible": True}, True),
        *[({"is_impossible": no}, False) for no in (False, "false", "FALSE", 0, "0", None, "")],
        ({}, False),
    ],
)
@pytest.mark.parametrize(
    ("name", "make", "key"), [("squad", question, "id"), ("mrqa-like", mrqa_question, "qid")]
)
def test_only_what_says_so_has_no_answer(tmp_path, name, make, key, members, impossible):
    item = make() | members
    if members == {"is_impossible": True}:
        del item["answers"]
    settings = (
        'kind = "span"\nunanswerable = true\n[files]\ntrain = "train.jsonl"\ndev = "train.jsonl"'
    )
    files = {"train.json": squad(item), "train.jsonl": mrqa(item)}
    files |= {"task.toml": settings} if name == "mrqa-like" else {}
    (example,) = task_with(tmp_path, name, files).read("train").examples
    assert (example.impossible, bool(example.answers)) == (impossible, not impossible)
    assert bool(example.spans) != impossible


@pytest.mark.parametrize(
    "item",
    [
        {"id": "q2", "question": "?", "answer": [{"text": "Houston", "answer_start": HOUSTON}]},
        {"id": "q2", "question": "?", "answer": [], "is_impossible": False},
        {"id": "q2", "question": "?", "plausible_answers": [], "is_impossible": "0"},
        {"id": "q2", "question": "?", "answer": [], "is_impossible": None},
    ],
)
def test_a_misnamed_answer_is_not_taken_for_none(tmp_path, item):
    """A question without the member `answers` was trained on as one without an answer."""
    files = {f"{split}.json": squad(question(), item) for split in ("train", "dev")}
    task = task_with(tmp_path, "squad", files)
    for split in ("train", "dev"):
        message = refusal(task.read, split)
        names = ", ".join(map(repr, item))
        assert f"qas[1]: answers is missing; there is {names}" in message
        reading = task.read(split, skip_bad_rows=True)
        assert (len(reading.examples), reading.skipped) == (1, 1)


def test_ids_may_be_integers(tmp_path):
    """They become text, as in every file of answers, whose keys are text."""
    task = task_with(tmp_path, "squad", {"dev.json": squad(question(12), question("13"))})
    assert [example.id for example in task.read("dev").examples] == ["12", "13"]
    task = task_with(tmp_path, "squad", {"dev.json": squad(question(12), question("12"))})
    assert "qas[1]: id '12' is there twice" in refusal(task.read, "dev")
    task = task_with(tmp_path, "newsqa", {"dev.jsonl": mrqa(mrqa_question(7), mrqa_question(7))})
    assert "line 2: id '7' is there twice" in refusal(task.read, "dev")


def test_contradictions_of_squad_2(tmp_path):
    both = squad(question(is_impossible=True))
    neither = squad(question(answers=(), is_impossible=False))
    task = task_with(tmp_path, "squad", {"train.json": both, "dev.json": neither})
    assert "qas[0]: is_impossible, yet it has answers" in refusal(task.read, "train")
    assert "qas[0]: no answer" in refusal(task.read, "dev")


def test_an_id_may_be_there_once(tmp_path):
    task = task_with(tmp_path, "squadv1", {"dev.json": squad(question(), question())})
    assert "qas[1]: id 'q1' is there twice" in refusal(task.read, "dev")
    assert task.read("dev", skip_bad_rows=True).skipped == 1


def test_a_misplaced_answer_still_counts_as_right(tmp_path):
    """The place matters to training only, so an evaluation loses neither question nor answer."""
    content = squad(question(answers=(("Houston", 0), ("Texas", CONTEXT.index("Texas")))))
    task = task_with(tmp_path, "squadv1", {"train.json": content, "dev.json": content})
    for split in ("train", "dev"):
        assert "the answer 'Houston' is not at 0" in refusal(task.read, split)
        reading = task.read(split, skip_bad_rows=True)
        (example,) = reading.examples
        assert (reading.skipped, example.answers) == (1, ("Houston", "Texas"))
        assert spans_text(example) == ["Texas"]
    content = squad(question(answers=[("Houston", 0)]))
    task = task_with(tmp_path, "squadv1", {"train.json": content, "dev.json": content})
    assert task.read("dev", skip_bad_rows=True).examples[0].spans == ()
    assert "all 1 rows are bad" in refusal(task.read, "train", skip_bad_rows=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "dev.json: not JSON"),
        ("{}", "dev.json: data is missing; there is nothing"),
        ('{"date": []}', "dev.json: data is missing; there is 'date'"),
        ("[]", "dev.json: expected an object with data: []"),
        ("[" * 100_000, "dev.json: JSON is nested too deep"),
        (b'{"data": "\xff"}', "dev.json is not UTF-8 text: bad byte at offset 10"),
        ('{"data": []}', "the split dev is empty"),
        ('{"data": [{}]}', "dev.json, data[0]: paragraphs is missing; there is"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', "paragraphs[0]: context is missing"),
    ],
)
def test_bad_documents_are_refused(tmp_path, content, message):
    task = task_with(tmp_path, "squadv1", {"dev.json": content})
    assert message in refusal(task.read, "dev")


# --- MRQA


@pytest.mark.parametrize("name", ["newsqa", "naturalqs", "triviaqa", "searchqa"])
def test_mrqa(tmp_path, name):
    second = CONTEXT.rindex("Houston")
    spans = ((HOUSTON, HOUSTON + 6), (second, second + 6))
    files = {"train.jsonl": mrqa(mrqa_question(spans=spans)), "dev.jsonl.gz": mrqa(mrqa_question())}
    task = task_with(tmp_path, name, files)
    (example,) = task.read("train").examples
    assert (example.id, example.question) == ("q1", "Where?")
    assert example.answers == ("Houston", "Houston, Texas")
    assert example.spans == (Span(HOUSTON, HOUSTON + 7), Span(second, second + 7))
    assert str(example.location).endswith("train.jsonl, line 2")
    assert len(task.read("dev").examples) == 1
    assert (task.metrics, task.unanswerable) == (("f1", "exact_match"), False)


def test_mrqa_marks_normalized_answers(tmp_path):
    """`text` may lack case, articles and punctuation of the context."""
    item = mrqa_question(spans=[(0, 4)], text="doc", answers=["doc"])
    content = mrqa(item, context="[DOC] [TLE] Snow White")
    (example,) = task_with(tmp_path, "triviaqa", {"train.jsonl": content}).read("train").examples
    assert spans_text(example) == ["[DOC]"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (mrqa_question(spans=[(0, 6)]), "the answer 'Houston' is not at 0..6, where"),
        (mrqa_question(spans=[(HOUSTON, 1000)]), "char_spans has [22, 1000], which is no part"),
        (mrqa_question(spans=[(-7, -1)]), "char_spans has [-7, -1], which is no part"),
        (mrqa_question(spans=[(HOUSTON,)]), "char_spans has [22], which is no part"),
        (mrqa_question(detected_answers=[]), "no answer has a place in the context"),
        (mrqa_question(spans=()), "no answer has a place in the context"),
        (mrqa_question(answers=[]), "no answer"),
        (mrqa_question(answers="Houston"), "answers must be list: 'Houston'"),
        (mrqa_question(7.5), "id must be text or an integer: 7.5"),
        ({"question": "Where?"}, "qid is missing; there is 'question'"),
        (
            without(mrqa_question(), "answers"),
            "answers is missing; there is 'qid', 'id', 'question',",
        ),
        (
            without(mrqa_question(detected_answer=[]), "detected_answers"),
            "detected_answers is missing; there is 'qid', 'id', 'question', 'question_tokens',",
        ),
    ],
)
def test_bad_mrqa_questions(tmp_path, item, message):
    content = mrqa(mrqa_question("good"), item)
    task = task_with(tmp_path, "searchqa", {"train.jsonl": content})
    assert f"train.jsonl, line 2: {message}" in refusal(task.read, "train")
    reading = task.read("train", skip_bad_rows=True)
    assert [example.id for example in reading.examples] == ["good"]
    assert reading.skipped == 1


# --- Both

_VALUES = st.none() | st.booleans() | st.integers(-1, 30) | st.sampled_from(["", "q1", "Houston"])
_KEYS = ["id", "qid", "question", "answers", "text", "answer_start", "is_impossible", "char_spans"]
_JSON = st.recursive(
    _VALUES | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(("name", "make"), [("squad", question), ("newsqa", mrqa_question)])
@settings(max_examples=80)
@given(data=st.data())
def test_any_json_is_read_or_refused(tmp_path_factory, name, make, data):
    """A good question with one of its members replaced, at any level, by anything."""
    good = make("good")
    item = json.loads(json.dumps(make("q1")))
    parent = item
    key = data.draw(st.sampled_from(sorted(item)))
    while isinstance(parent[key], (list, dict)) and parent[key] and data.draw(st.booleans()):
        parent = parent[key]
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else [0]))
    parent[key] = data.draw(_JSON)
    document = {"squad": squad, "newsqa": mrqa}[name](good, item)
    file = {"squad": "train.json", "newsqa": "train.jsonl"}[name]
    task = task_with(tmp_path_factory.mktemp("qa"), name, {file: document})
    reading = task.read("train", skip_bad_rows=True)
    assert len(reading.examples) + reading.skipped >= 2
    for example in reading.examples:
        assert example.impossible != bool(example.spans)
    try:
        task.read("train")
    except InputError as error:
        assert "\n" not in str(error) and reading.skipped
    else:
        assert not reading.skipped
