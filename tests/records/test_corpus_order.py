"""The order in which the parts of a corpus are written."""

import pytest

from lvbert_tf.records import corpus_order, corpus_parts
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Position, interleaved, lanes_of, order_of
from lvbert_tf.records.corpus_reading import read_corpus
from lvbert_tf.records.documents import Tally


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 10)
    monkeypatch.setattr("lvbert_tf.records.corpus.SECTION_BYTES", 30)
    monkeypatch.setattr(corpus_order, "LANES", 3)


def write(folder, *sizes) -> Corpus:
    """A file of so many documents of ten characters for each size; a part has one document."""
    for number, size in enumerate(sizes):
        documents = (f"{number} {document:08}" for document in range(size))
        (folder / f"{number}.txt").write_text("\n\n".join(documents))
    return Corpus(str(folder))


def test_lanes_take_turns_until_each_has_ended():
    assert "".join(interleaved(["abcd", "", "12", "xyz"])) == "a1xb2yczd"


def test_a_section_goes_to_the_lane_with_the_fewest_bytes(tmp_path):
    lanes = lanes_of(write(tmp_path, 9, 3, 3, 3, 9, 3).sections)
    assert [[section.index for section in lane] for lane in lanes] == [[0], [1, 3, 5], [2, 4]]


def test_parts_come_from_the_lanes_in_turn(tmp_path):
    corpus = write(tmp_path, 3, 4, 3, 5)
    read = list(read_corpus(corpus, Position(), 1))
    assert [(r.part.section, r.part.index) for r in read] == [
        *order_of(corpus.sections, parts=[3, 4, 3, 5])
    ]
    assert [(r.lane, r.part.section, r.part.index) for r in read] == [
        *((0, 0, 0), (1, 1, 0), (2, 2, 0)),
        *((0, 0, 1), (1, 1, 1), (2, 2, 1)),
        *((0, 0, 2), (1, 1, 2), (2, 2, 2)),
        *((0, 3, 0), (1, 1, 3)),
        *((0, 3, 1), (0, 3, 2), (0, 3, 3), (0, 3, 4)),
    ]
    assert [r.part.document for r in read if r.lane == 0] == [0, 1, 2, 0, 1, 2, 3, 4]


def test_every_byte_is_counted_also_after_the_last_text(tmp_path):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", 4)
    (tmp_path / "b.txt").write_text(" \n" * 20)
    (tmp_path / "c.txt").write_text("\n" * 40)
    corpus = Corpus(str(tmp_path))
    read = list(read_corpus(corpus, Position(), 1))
    total = Tally()
    for item in read:
        total.add(item.tally)
    assert total == Tally(bytes=corpus.total_bytes, texts=3)
    assert [item.lane for item in read if not item.part.texts] == [1, 2]


def test_reading_goes_on_from_any_place(tmp_path):
    (tmp_path / "blank").write_text("\n" * 200)
    corpus = write(tmp_path, 3, 4, 3, 5, 1, 8)
    whole = list(read_corpus(corpus, Position(), 1))
    position = Position()
    for count, read in enumerate(whole):
        assert list(read_corpus(corpus, position, 1)) == whole[count:]
        position.move_past(read)
    assert list(read_corpus(corpus, position, 1)) == []
