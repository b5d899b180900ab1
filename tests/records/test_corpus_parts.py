import pytest

from lvbert_tf.records import corpus_parts
from lvbert_tf.records.corpus_parts import CorpusPart, divide_corpus, divide_section


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 10)
    monkeypatch.setattr(corpus_parts, "_MAX_PART_CHARACTERS", 25)


def test_parts_end_between_documents():
    texts = [(True, "a" * 6), (False, "b" * 6), (True, "c" * 3), (True, "d" * 9)]
    assert list(divide_corpus([texts])) == [
        CorpusPart(0, 0, True, ["aaaaaa\nbbbbbb"]),
        CorpusPart(1, 1, True, ["ccc", "d" * 9]),
    ]


def test_a_very_long_document_is_divided():
    texts = [(True, "x"), *[(number == 0, str(number) * 9) for number in range(5)], (True, "y")]
    assert list(divide_corpus([texts])) == [
        CorpusPart(0, 0, True, ["x", "000000000\n111111111\n222222222"]),
        CorpusPart(1, 1, False, ["333333333\n444444444"]),
        CorpusPart(2, 2, True, ["y"]),
    ]
    assert list(divide_corpus([])) == []


def test_parts_end_with_the_sections_they_are_in():
    sections = [[(True, "a"), (True, "b" * 12), (True, "c")], [], [(True, "d"), (False, "e" * 5)]]
    parts = [
        CorpusPart(0, 0, True, ["a", "b" * 12]),
        CorpusPart(1, 2, True, ["c"]),
        CorpusPart(2, 3, True, ["d\neeeee"]),
    ]
    assert list(divide_corpus(sections)) == parts
    # A process that knows how much comes before a section divides it alike.
    last = next(divide_section(sections[2]))
    assert last == CorpusPart(0, 0, True, ["d\neeeee"])
    assert last.after(parts=2, documents=3) == parts[2]
