"""What tags and labels a task accepts, integers that stand for tags, and what a model learns of them."""

import pytest
from task_files import json_lines, refusal, task_with

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import RowError
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags, WordTags


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        (["B-X M-X I-X"], "no scheme has both 'M-X' and 'I-X'; there are BIO, IOE, BIOES, BMES,"),
        (["O B-X L-X", "S-Y"], "no scheme has both 'L-X' and 'S-Y'"),
        (["B I O", "O", "U"], None),
        (["B E", "W", "S"], "no scheme has both 'W' and 'S'"),
        (["B-X I-X", "B"], "'B-X' has a type and 'B' has none; give all tags a type, or none"),
        (["O B B-X"], "'B-X' has a type and 'B' has none"),
        (
            ["PER"],
            "tag 'PER' is neither O nor one of B I M E L S U W, alone or with a type, as in B-P",
        ),
        (["B-"], "tag 'B-' is neither O"),
        (["OO"], "tag 'OO' is neither O"),
    ],
)
def test_mixtures_are_refused(sentences, message):
    read = EntityTags().reader()
    *before, last = [sentence.split() for sentence in sentences]
    for tags in before:
        read(tags)
    if message is None:
        assert read(last) == tuple(last)
    else:
        with pytest.raises(RowError) as caught:
            read(last)
        assert message in str(caught.value)
        for tags in before:  # what was refused is forgotten
            read(tags)


@pytest.mark.parametrize(
    ("labels", "tags", "types"),
    [
        (("PER", "LOC"), None, ("PER", "LOC")),
        (("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), ..., ("PER", "LOC")),
        (("B-PER", "I-PER"), ..., ("PER",)),
        (("B", "M", "E", "S"), ..., ("",)),
        (("T-cell", "B-cell"), None, ("T-cell", "B-cell")),
    ],
)
def test_labels_are_types_or_tags(labels, tags, types):
    scheme = EntityTags(labels)
    assert scheme.tags == (labels if tags is ... else tags)
    assert [tag for tag in scheme.outputs([]) if tag[0] == "S"] == [
        f"S-{entity}" if entity else "S" for entity in types
    ]
    assert ("O" in scheme.outputs([])) == (types != ("",))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("O", "PER"), "labels: O is a tag, but 'PER' is none; list either types, or tags"),
        (("O", "B-X", "M-X", "L-X"), "labels: no scheme has both 'M-X' and 'L-X'"),
        (("O", "B", "I-X"), "labels: 'I-X' has a type and 'B' has none"),
    ],
)
def test_labels_of_no_scheme(labels, message):
    with pytest.raises(InputError) as caught:
        EntityTags(labels)
    assert message in str(caught.value)


def test_outputs_of_a_model():
    """What it learns, and what is written for it: the parts of BIO do not tell an end."""
    bio = EntityTags().outputs([("O", "B-PER"), ("B-LOC", "I-LOC")])
    assert bio == {
        **{"O": "O", "B-LOC": "B-LOC", "I-LOC": "I-LOC", "E-LOC": "I-LOC", "S-LOC": "B-LOC"},
        **{"B-PER": "B-PER", "I-PER": "I-PER", "E-PER": "I-PER", "S-PER": "B-PER"},
    }
    assert list(bio)[:3] == ["O", "B-LOC", "I-LOC"]
    assert EntityTags().outputs(["IE"]) == {"B": "I", "I": "I", "E": "E", "S": "E"}
    assert EntityTags().outputs([("B-X", "L-X"), "O"]) == {
        tag: tag for tag in ("O", "B-X", "I-X", "L-X", "U-X")
    }
    assert list(EntityTags().outputs(["BMES"])) == list("BMES")
    assert list(EntityTags().outputs(["WO"])) == list("OBMEW")
    assert EntityTags().outputs(["O"]) == {"O": "O"}
    assert list(EntityTags(("PER",)).outputs([])) == ["O", "B-PER", "I-PER", "E-PER", "S-PER"]
    assert WordTags().outputs([("NN", "DT"), ("NN",)]) == {"DT": "DT", "NN": "NN"}
    assert list(WordTags(("NN", "DT")).outputs([])) == ["NN", "DT"]


HUGGING_FACE = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")


@pytest.mark.parametrize(
    ("scheme", "values", "tags"),
    [
        (EntityTags(HUGGING_FACE), [0, 3, 4], ("O", "B-ORG", "I-ORG")),
        (EntityTags(HUGGING_FACE), ["0", "B-PER", 2], ("O", "B-PER", "I-PER")),
        (EntityTags(("B", "I")), [0, 1, 1], ("B", "I", "I")),
        (WordTags(("N", "V")), [1, 0], ("V", "N")),
        (WordTags(("3", "1")), [1, "3"], ("1", "3")),
        (WordTags(), ["1", "0"], ("1", "0")),
    ],
)
def test_integers_stand_for_tags(scheme, values, tags):
    assert scheme.reader()(values) == tags


@pytest.mark.parametrize(
    ("scheme", "value", "message"),
    [
        (EntityTags(HUGGING_FACE), 5, "tag 5 is no place in labels, 0 to 4"),
        (EntityTags(HUGGING_FACE), -100, "tag -100 is no place in labels"),
        (EntityTags(HUGGING_FACE), "7", "tag '7' is no place in labels"),
        (EntityTags(HUGGING_FACE), "9" * 5000, "tag '999"),  # more digits than Python converts
        (EntityTags(HUGGING_FACE), "S-PER", "tag 'S-PER' is none of O | B-PER | I-PER |"),
        (EntityTags(("PER",)), 1, "tag 1 is a number: list the names of all tags in labels"),
        (EntityTags(), 1, "tag 1 is a number: list"),
        (WordTags(), 1, "tag 1 is a number: list"),
        (WordTags(("3", "N")), 1, "tag '1' is none of 3 | N"),  # a name, or a place?
        (WordTags(("N", "V")), True, "an item of tags is no text: True"),
        (WordTags(("N", "V")), 0.0, "an item of tags is no text: 0.0"),
        (WordTags(("N", "V")), None, "an item of tags is no text: None"),
        *[
            (scheme, blank, "a word has no tag")
            for scheme in (WordTags(), EntityTags())
            for blank in ("", " ")
        ],
    ],
)
def test_what_stands_for_no_tag(scheme, value, message):
    with pytest.raises(RowError) as caught:
        scheme.reader()([value])
    assert message in str(caught.value)


def test_files_with_integers(tmp_path):
    labels = f'kind = "tagging"\nlabels = {list(HUGGING_FACE)}\n[files]\ntrain = "train.jsonl"\n'
    columns = 'dev = "dev.conll"\n[columns]\nwords = "tokens"\ntags = "ner_tags"\n'
    files = {
        "task.toml": labels + columns.replace("dev.conll", "train.jsonl"),
        "train.jsonl": json_lines({"tokens": ["a", "b", "c"], "ner_tags": [0, 3, 4]}),
    }
    (example,) = task_with(tmp_path, "names", files).read("train").examples
    assert example.tags == ("O", "B-ORG", "I-ORG")
    files |= {"task.toml": labels.replace(".jsonl", ".conll") + 'dev = "train.conll"\n'}
    task = task_with(tmp_path, "names", files | {"train.conll": "a 0\nb 3\nc 4\n"})
    assert task.read("train").examples[0].tags == ("O", "B-ORG", "I-ORG")
    for row, message in [([0, 1, 9], "tag 9 is no place"), ([0, 1], "3 words but 2 tags")]:
        bad = json_lines({"tokens": ["a", "b", "c"], "ner_tags": row})
        files = {
            "task.toml": labels + columns.replace("dev.conll", "train.jsonl"),
            "train.jsonl": bad,
        }
        assert f"line 1: {message}" in refusal(task_with(tmp_path, "names", files).read, "train")


def test_each_file_has_one_scheme(tmp_path):
    """Files may differ; and of a file's sentences those that differ from the first are the bad ones."""
    files = {"train.txt": "a B-X\nb I-X\n\nc L-X\n\nd B-X\n", "dev.txt": "a B-X\nb E-X\n"}
    task = task_with(tmp_path, "ner", files | {"train.txt": files["train.txt"] + "\ne S-X\n"})
    assert task.read("dev").examples[0].tags == ("B-X", "E-X")
    assert "line 8: no scheme has both 'L-X' and 'S-X'" in refusal(task.read, "train")
    reading = task.read("train", skip_bad_rows=True)
    assert (len(reading.examples), reading.skipped) == (3, 1)
