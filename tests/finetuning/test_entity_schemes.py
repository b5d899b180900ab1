"""Schemes of entity tags, against seqeval's own."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import scheme as seqeval_schemes
from seqeval.metrics import sequence_labeling as lenient
from seqeval.metrics import v1 as strict

from lvbert_tf.finetuning.entity_schemes import BIOES, LETTERS, SCHEMES, find_scheme, scheme_of
from lvbert_tf.finetuning.metrics.tagging import score_entities
from lvbert_tf.finetuning.tasks.tag_schemes import EntityTags

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
