"""Learning a vocabulary from a corpus with several processes."""

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.records import corpus as corpus_module
from lvbert_tf.records import corpus_parts
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.vocabulary_learning import learn_from_corpus
from lvbert_tf.text import learn_vocabulary


@pytest.fixture
def corpus(corpus_file, tmp_path, monkeypatch) -> Corpus:
    documents = corpus_file.read_text().split("\n\n")
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text("\n\n".join(documents[number::3]))
    (tmp_path / "3.txt").write_text(" Café déjà-vu " * 900 + "\n" + "rare word " * 3)
    monkeypatch.setattr(corpus_parts, "PART_CHARACTERS", 3000)
    monkeypatch.setattr(corpus_module, "SECTION_BYTES", 1)
    return Corpus(str(tmp_path))


@pytest.mark.parametrize("casing", [(True, True), (True, False), (False, False)])
def test_the_tokens_are_those_of_all_texts(corpus, casing):
    texts = [text for _, text in corpus.read()]
    counted: list[int] = []
    tokens = learn_from_corpus(corpus, 120, *casing, 1, counted.append)
    assert tokens == learn_vocabulary(texts, 120, *casing)
    assert "[unused0]" not in tokens and sum(counted) == corpus.total_bytes


def test_several_processes_learn_the_same(corpus):
    alone = learn_from_corpus(corpus, 120, True, True, 1)
    assert learn_from_corpus(corpus, 120, True, True, 3) == alone


def test_a_size_is_checked_before_anything_is_read(corpus):
    with pytest.raises(InputError, match="size 9 is too small"):
        learn_from_corpus(corpus, 9, True, True, 1, lambda count: pytest.fail())
