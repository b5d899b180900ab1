"""Schemes of entity tags, against seqeval's own; integers that stand for tags."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import scheme as seqeval_schemes
from seqeval.metrics import sequence_labeling as lenient
from seqeval.metrics import v1 as strict
from task_files import json_lines, refusal, task_with

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.entity_schemes import BIOES, LETTERS, SCHEMES, find_scheme, scheme_of
from lvbert_tf.finetuning.metrics.tagging import score_entities
from lvbert_tf.finetuning.tasks.bad_rows import RowError
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags, WordTags

# Of seqeval; it lacks two, whose letters only are others.
THEIRS = {
    "BIO": (seqeval_schemes.IOB2, ""),
    "IOE": (seqeval_schemes.IOE2, ""),
    "BIOES": (seqeval_schemes.IOBES, ""),
    "BMES": (seqeval_schemes.IOBES, "MI"),
    "BMEWO": (seqeval_schemes.IOBES, "MIWS"),
    "BILOU": (seqeval_schemes.BILOU, ""),
}
SCHEMES_BY_NAME = {scheme.name: scheme for scheme in SCHEMES}
TYPES = {True: ("X", "Y-Z", "B"), False: ("",)}


def in_their_letters(name, tags):
    pairs = dict(zip(THEIRS[name][1][::2], THEIRS[name][1][1::2], strict=True))
    return [pairs.get(tag[0], tag[0]) + tag[1:] for tag in tags]


def their_entities(name, tags):
    """(type, first, last) of a sentence in seqeval's strict mode."""
    (found,) = seqeval_schemes.Entities([in_their_letters(name, tags)], THEIRS[name][0]).entities
    return [(entity.tag, entity.start, entity.end - 1) for entity in found]


def their_metrics(name, mode, references, predictions):
    """f1, precision and recall, of seqeval."""
    options = {"scheme": THEIRS[name][0]} if mode is strict else {}
    precision, recall, f1, _ = mode.precision_recall_fscore_support(
        [in_their_letters(name, tags) for tags in references],
        [in_their_letters(name, tags) for tags in predictions],
        average="micro",
        zero_division=0,
        **options,
    )
    return pytest.approx([100 * f1, 100 * precision, 100 * recall])


def marked_sentences(typed):
    """A sentence as its entities: (type, length) or, for a word outside, None."""
    return st.lists(st.tuples(st.sampled_from(TYPES[typed]), st.integers(1, 4)) | st.none())


def tags_of(scheme, pieces):
    """Written by hand: what each scheme says of an entity of each length."""
    tags = []
    for piece in pieces:
        if piece is None:
            tags.append("O")
            continue
        entity, length = piece
        first, inner, last, only = scheme.letters
        parts = only if length == 1 else first + inner * (length - 2) + last
        tags += [f"{part}-{entity}" if entity else part for part in parts]
    return tags


def entities_of(pieces):
    place, found = 0, []
    for piece in pieces:
        entity, length = piece or (None, 1)
        if piece:
            found.append((entity or "_", place, place + length - 1))
        place += length
    return found


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("name", SCHEMES_BY_NAME)
@settings(max_examples=60)
@given(data=st.data())
def test_a_scheme_marks_what_seqeval_says(name, typed, data):
    scheme, pieces = SCHEMES_BY_NAME[name], data.draw(marked_sentences(typed))
    tags = tags_of(scheme, pieces)
    assert their_entities(name, tags) == entities_of(pieces)
    assert EntityTags().reader()(tags) == tuple(tags)
    bioes = BIOES.write(tags)
    assert list(bioes) == tags_of(BIOES, pieces)
    assert their_entities("BIOES", bioes) == entities_of(pieces)
    assert list(scheme.write(bioes)) == list(scheme.write(tags)) == tags


IOB1 = [("X", 2), ("X", 1), None, ("Y", 1), ("Y", 3), ("X", 1)]


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        (seqeval_schemes.IOB1, "I-X I-X B-X O I-Y B-Y I-Y I-Y I-X"),
        (None, "I-X E-X I-X O E-Y I-Y I-Y I-Y I-X"),  # IOE1, which seqeval reads not quite
    ],
)
def test_schemes_that_mark_only_what_touches_its_like(scheme, tags):
    tags = tags.split()
    if scheme:
        (found,) = seqeval_schemes.Entities([tags], scheme).entities
        assert [(e.tag, e.start, e.end - 1) for e in found] == entities_of(IOB1)
    assert list(BIOES.write(tags)) == tags_of(BIOES, IOB1)


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize("name", SCHEMES_BY_NAME)
@settings(max_examples=60)
@given(data=st.data())
def test_metrics_are_those_of_seqeval(name, typed, data):
    """Of predictions that a scheme allows, in both modes of seqeval; of any others, in both modes for
    what is written into prediction files, where they obey the rules."""
    scheme = SCHEMES_BY_NAME[name]
    references, predictions, written = [], [], []
    letters = [
        f"{letter}-{kind}" if kind else letter for letter in scheme.letters for kind in TYPES[typed]
    ]
    for pieces in data.draw(st.lists(marked_sentences(typed), min_size=1, max_size=3)):
        tags = tags_of(scheme, pieces)
        references.append(tags)
        anything = st.lists(
            st.sampled_from(["O", *letters, *tags]), min_size=len(tags), max_size=len(tags)
        )
        raw = data.draw(st.just(tags) | anything)
        predictions.append(raw)
        written.append(list(scheme.write(raw)))
    ours = list(score_entities(references, predictions).values())
    assert ours == list(score_entities(references, written).values())
    bioes = [BIOES.write(tags) for tags in references], [BIOES.write(tags) for tags in written]
    for mode in (strict, lenient):
        assert ours == their_metrics("BIOES", mode, *bioes)
        if mode is strict or name != "BILOU":  # the other mode does not know L and U
            assert ours == their_metrics(name, mode, references, written)


@pytest.mark.parametrize(
    ("tags", "bioes"),
    [
        ("B-X L-X I-X", "B-X E-X S-X"),
        ("B-X U-X L-X", "S-X S-X S-X"),
        ("M E M O", "B E S O"),
        ("B W E B", "S S S S"),
        ("B-X M-Y E-Y", "S-X B-Y E-Y"),
        ("E-X E-X I-X", "S-X S-X S-X"),
    ],
)
def test_sequences_that_no_scheme_allows(tags, bioes):
    """They mark what conlleval, in whose letters seqeval's other mode reads, takes them for."""
    assert " ".join(BIOES.write(tags.split())) == bioes
    letters = str.maketrans("MLUW", "IESS")
    assert lenient.get_entities(tags.translate(letters).split()) == lenient.get_entities(
        bioes.split()
    )


def test_letters_of_no_scheme_are_a_pair():
    """So that an error can name two tags."""
    for count in range(1, len(LETTERS) + 1):
        for letters in combinations(LETTERS, count):
            pairs = all(find_scheme(pair) for pair in combinations(letters, 2))
            assert pairs == (find_scheme(letters) is not None), letters


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ("O", "BIO"),
        ("O B-X", "BIO"),
        ("I-X", "BIO"),
        ("I-X E-X", "IOE"),
        ("B-X E-X", "BIOES"),
        ("S-X", "BIOES"),
        ("B M E S", "BMES"),
        ("B-X W-X", "BMEWO"),
        ("U", "BILOU"),
        ("B-X L-X", "BILOU"),
    ],
)
def test_the_scheme_of_letters(tags, name):
    assert scheme_of(tags.split()).name == name


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
