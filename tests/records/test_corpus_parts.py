import pytest

from lvbert_tf.records import corpus_parts
from lvbert_tf.records.corpus_parts import CorpusPart, divide_section


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 10)
    monkeypatch.setattr(corpus_parts, "_MAX_PART_CHARACTERS", 25)


def test_parts_end_between_documents():
    texts = [(True, "a" * 6), (False, "b" * 6), (True, "c" * 3), (True, "d" * 9)]
    assert list(divide_section(texts)) == [
        CorpusPart(0, 0, True, ["aaaaaa\nbbbbbb"]),
        CorpusPart(1, 1, True, ["ccc", "d" * 9]),
    ]


def test_a_very_long_document_is_divided():
    texts = [(True, "x"), *[(number == 0, str(number) * 9) for number in range(5)], (True, "y")]
    assert list(divide_section(texts)) == [
        CorpusPart(0, 0, True, ["x", "000000000\n111111111\n222222222"]),
        CorpusPart(1, 1, False, ["333333333\n444444444"]),
        CorpusPart(2, 2, True, ["y"]),
    ]
    assert list(divide_section([])) == []


def test_parts_know_their_section():
    texts = [(True, "a" * 12), (True, "b")]
    assert list(divide_section(texts, section=3)) == [
        CorpusPart(0, 0, True, ["a" * 12], section=3),
        CorpusPart(1, 1, True, ["b"], section=3),
    ]
