import collections

from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.text.word_counts import WordCounts, frequency_class, least_kept

COUNTS = st.lists(
    st.dictionaries(st.sampled_from([c.encode() for c in "abcdefghijäöü"]), st.integers(1, 9))
)


@given(COUNTS, st.integers(1, 14))
def test_sums_are_exact_in_any_memory_and_the_rarest_words_are_dropped(batches, limit):
    total = collections.Counter()
    with WordCounts(limit) as words:
        for batch in batches:
            words.add(batch)
            total.update(batch)
        found = words.most_frequent()
    assert len(found) <= limit and list(found) == sorted(found, key=str.encode)
    dropped = {word.decode(): count for word, count in total.items() if word.decode() not in found}
    assert {**found, **dropped} == {word.decode(): count for word, count in total.items()}
    if dropped:  # a class of frequency goes as a whole, and no more of them than needed
        assert len(total) > limit and max(dropped.values()) < min(found.values(), default=1000)
        last = frequency_class(max(dropped.values()))
        assert sum(frequency_class(count) >= last for count in total.values()) > limit


def test_classes_of_frequency_double():
    assert [frequency_class(count) for count in range(1, 10)] == [0, 1, 2, 2, 3, 3, 3, 3, 4]
    classes = {0: 50, 1: 20, 3: 5}
    assert [least_kept(classes, limit) for limit in (75, 74, 25, 24, 5, 4)] == [0, 1, 1, 2, 2, 4]
