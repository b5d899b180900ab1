"""Every form of a line, and what is refused."""

import json

import pytest
from task_files import refusal

from lvbert_tf.finetuning.line_requests import Request, RequestReader
from lvbert_tf.finetuning.task_examples import RowLocation

HERE = RowLocation("-", 3)
CLASSES, PAIRS = RequestReader("classification"), RequestReader("regression", paired=True)
TAGS, SPANS = RequestReader("tagging"), RequestReader("span")
AS_TEXT, AS_JSON = (RequestReader("classification", line_format=name) for name in ("text", "json"))


def example(reader, line):
    return reader.read(line, HERE).example


def test_every_kind_of_line():
    text = example(CLASSES, "a {b")
    assert (text.text, text.text_pair, text.label) == ("a {b", None, None)
    pair = example(PAIRS, '{"text": "a", "text_pair": "b"}')
    assert (pair.text, pair.text_pair) == ("a", "b")
    assert example(CLASSES, "").text == example(CLASSES, '{"text": ""}').text == ""
    assert example(TAGS, "The cat  sat.").words == ("The", "cat", "sat.")
    assert example(TAGS, '{"words": ["New York", "x"]}').words == ("New York", "x")
    for empty in ("", " ", '{"text": ""}', '{"words": []}'):
        assert example(TAGS, empty).words == ()
    assert example(TAGS, "สวัสดีครับ ผม").words == ("สวัสดีครับ", "ผม")
    assert example(TAGS, "a\u00a0b c\u3000d").words == ("a\u00a0b", "c\u3000d")
    question = example(SPANS, '{"question": "Who?", "context": "Ann."}')
    assert (question.question, question.context, question.id) == ("Who?", "Ann.", "3")


@pytest.mark.parametrize(
    "before", ["\ufeff", " ", "\t", "\u00a0", "\u3000", "\u2028", "\x1f", "\u200b", "\ufeff \ufeff"]
)
def test_an_object_may_have_blanks_and_a_mark_before_it(before):
    for reader in (CLASSES, AS_JSON):
        assert example(reader, before + '{"text": "a"} ').text == "a"
    assert example(AS_TEXT, before + '{"text": "a"}').text == before + '{"text": "a"}'
    assert example(CLASSES, before + "a").text == before + "a"


def test_the_format_decides_what_a_brace_means():
    assert example(AS_TEXT, "{sic} a film").text == "{sic} a film"
    said = refusal(CLASSES.read, "{sic} a film", HERE)
    assert "line 3: not JSON" in said and "--predict_format text takes a line" in said
    assert "--predict_format" not in refusal(AS_JSON.read, "{sic}", HERE)
    assert "--predict_format" not in refusal(SPANS.read, "{sic}", HERE)
    for line, found in (
        ("a film", "no JSON object: 'a film'"),
        (" ", "a blank line"),
        ("[1]", "[1]"),
    ):
        said = refusal(AS_JSON.read, line, HERE)
        assert found in said and said.endswith('; expected {"text": "..."}')
    for kind, paired in (("span", False), ("classification", True)):
        said = refusal(RequestReader, kind, paired, "text")
        assert said.startswith("--predict_format text: a line is to be {")


@pytest.mark.parametrize("name", ["q7", "", "ключ", 7, 0, -1.5, 10**30])
@pytest.mark.parametrize(
    ("reader", "line", "prediction"),
    [
        (CLASSES, {"text": "a"}, {"label": "1"}),
        (PAIRS, {"text": "a", "text_pair": "b"}, {"value": 1.0}),
        (TAGS, {"words": ["a"]}, {"tags": ["X"]}),
        (SPANS, {"question": "a", "context": "b"}, {"id": "3", "answer": "b"}),
    ],
)
def test_an_id_comes_back_before_all_else(name, reader, line, prediction):
    answer = reader.read(json.dumps({**line, "id": name}), HERE).answer(prediction)
    assert answer == {**prediction, "id": name}
    assert next(iter(answer)) == "id" and type(answer["id"]) is type(name)
    assert reader.read(json.dumps(line), HERE).answer(prediction) == prediction


@pytest.mark.parametrize(
    ("reader", "line", "message"),
    [
        (CLASSES, "{", "not JSON"),
        (CLASSES, '{"text": 1}', "text is the number 1, not a string"),
        (CLASSES, '{"text": null}', 'text is null, not a string; an empty one is ""'),
        (CLASSES, '{"text": ["a"]}', "text is a list, not a string"),
        (CLASSES, '{"txt": "a"}', 'unexpected key \'txt\'; expected {"text": "..."}'),
        (CLASSES, "{}", 'text is missing; expected {"text": "..."}'),
        (CLASSES, '{"text": "\\ud800"}', "text is not valid UTF-8"),
        (CLASSES, "a\0b", "text has a NUL byte"),
        (CLASSES, '{"text": "a", "text_pair": "b"}', "a pair of texts, but the model reads single"),
        (CLASSES, '{"text": "a", "text_pair": null}', "text_pair is null, not a string"),
        (PAIRS, '{"text": "a"}', "a single text, but the model reads pairs; add text_pair"),
        (PAIRS, "a", 'no JSON object: \'a\'; expected {"text": "...", "text_pair": "..."}'),
        (PAIRS, "", "a blank line; expected {"),
        (TAGS, '{"words": null}', "words is null, not a list of strings"),
        (TAGS, '{"words": "a b"}', "words is 'a b', not a list of strings"),
        (TAGS, '{"words": ["a", true]}', "words[1] is true, not a string"),
        (TAGS, '{"words": ["a"], "text": "a"}', "text and words; give one of the two"),
        (TAGS, "{}", 'text is missing; expected {"words": ["...", "..."]}'),
        (SPANS, "Who?", "no JSON object: 'Who?'; expected {\"question\""),
        (SPANS, "", "a blank line; expected {"),
        (SPANS, '{"question": "Who?"}', "context is missing"),
        (CLASSES, '{"text": "a", "id": null}', "id is null; it must be a string or a number"),
        (CLASSES, '{"text": "a", "id": true}', "id is true; it must"),
        (CLASSES, '{"text": "a", "id": {}}', "id is an object; it must"),
        (CLASSES, '{"text": "a", "id": NaN}', "id is the number nan; it must"),
        (CLASSES, '{"text": "a", "id": "\\ud800"}', "id is not valid UTF-8"),
        (CLASSES, '{"text": ' + "[" * 99_999, "nested too deep"),
    ],
)
def test_a_bad_line_is_named(reader, line, message):
    said = refusal(reader.read, line, HERE)
    assert message in said and said.startswith("-, line 3: ")
    assert "skip_bad_rows" not in said


def test_a_request_without_an_id_is_answered_with_the_prediction():
    assert Request(example(CLASSES, "a")).answer({"label": "1"}) == {"label": "1"}
