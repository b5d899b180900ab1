import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.text import Tokenizer, Vocabulary, learn_vocabulary, write_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "The lower house met. The lowest seat was empty, and lower seats were taken.",
    "Newer rules follow: the newest rule is the LOWEST one.",
    "Café, naïve, café!\u200b (The ﬁne print: x\u00ady.)",
] * 3


def test_most_frequent_pairs_are_joined_first():
    # aaab five times: a a a b; the pair (##a, ##b)... is as frequent as the others, so one more
    # word tips the balance to "ca".
    tokens = learn_vocabulary(["ca ca ca ca cab cab cb"], 13)
    assert tokens == [*SPECIAL, "a", "b", "c", "##a", "##b", "ca", "cab", "[unused0]"]


@pytest.mark.parametrize("size", [10, 11, 40, 100, 500])
def test_size_is_exact_and_tokens_are_unique(size):
    tokens = learn_vocabulary(TEXTS, size)
    assert len(tokens) == len(set(tokens)) == size
    assert tokens[:5] == SPECIAL


def test_the_same_texts_give_the_same_tokens():
    first = learn_vocabulary(TEXTS, 120)
    for _ in range(4):
        assert learn_vocabulary(iter(TEXTS), 120) == first


def test_words_are_those_of_the_tokenizer():
    tokens = learn_vocabulary(TEXTS, 500)
    assert {"the", "lower", "cafe", "ﬁne", "xy", "naive"} <= set(tokens)
    tokenizer = Tokenizer(Vocabulary(tuple(tokens)))
    ids = tokenizer(TEXTS)
    assert not (ids.flat_values.numpy() == tokenizer.vocabulary.unk_id).any()
    cased = learn_vocabulary(TEXTS, 500, lowercase=False)
    assert {"The", "the", "Café", "LOWEST"} <= set(cased)
    assert {"café", "lowest"} <= set(learn_vocabulary(TEXTS, 500, strip_accents=False))


def test_rare_characters_give_way():
    # A budget of 10 pieces: no more than 5 characters, the most frequent ones.
    tokens = learn_vocabulary(["abcde " * 9 + "fghijkl"], 15)
    assert tokens[5:10] == list("abcde")
    assert len(tokens) == 15
    assert not set("fghijkl") & set("".join(tokens[5:]))


def test_too_long_words_and_lone_surrogates_are_left_out():
    tokens = learn_vocabulary(["z" * 201 + " a\ud800b ab"], 12)
    assert tokens == [*SPECIAL, "a", "b", "##b", "ab", "[unused0]", "[unused1]", "[unused2]"]


def test_progress_counts_texts():
    seen = []
    learn_vocabulary((text for text in TEXTS), 50, progress=seen.append)
    assert sum(seen) == len(TEXTS)


def test_bad_requests():
    with pytest.raises(InputError, match="size 9 is too small: at least 10"):
        learn_vocabulary(TEXTS, 9)
    with pytest.raises(InputError, match="no words"):
        learn_vocabulary(["", " \n"], 100)
    with pytest.raises(InputError, match="no words"):
        learn_vocabulary([], 100)


def test_writing(tmp_path):
    path = tmp_path / "new" / "vocab.txt"
    write_vocabulary(path, [*SPECIAL, "é"])
    assert Vocabulary.load(path).tokens == (*SPECIAL, "é")
    assert [entry.name for entry in path.parent.iterdir()] == ["vocab.txt"]
    with pytest.raises(InputError, match="exists already"):
        write_vocabulary(path, SPECIAL)
    assert Vocabulary.load(path).size == 6
