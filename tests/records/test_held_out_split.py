from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.records.held_out_split import is_held_out


@given(
    fraction=st.one_of(st.floats(1e-4, 0.5), st.sampled_from([0.01, 0.1, 0.5])),
    seed=st.integers(0, 2**62),
)
def test_one_document_of_each_group_is_held_out(fraction, seed):
    period = round(1 / fraction)
    first = max(2, min(10, period))
    groups = [
        range(first),
        *[range(first + n * period, first + (n + 1) * period) for n in range(3)],
    ]
    for group in groups if period < 500 else groups[:1]:
        assert sum(is_held_out(document, fraction, seed) for document in group) == 1
    assert not is_held_out(0, fraction, seed)


def test_held_out_documents_depend_on_the_seed():
    chosen = {tuple(is_held_out(n, 0.1, seed) for n in range(40)) for seed in range(10)}
    assert len(chosen) > 5
    assert not any(is_held_out(n, 0, 1) for n in range(100))


def test_later_sections_hold_out_their_share_and_nothing_for_sure():
    chosen = [[is_held_out(n, 0.02, 1, section) for n in range(500)] for section in range(1, 200)]
    for documents in chosen:
        assert all(sum(documents[n : n + 50]) == 1 for n in range(0, 500, 50))
    assert len({tuple(documents) for documents in chosen}) == len(chosen)
    first = sum(any(documents[:10]) for documents in chosen) / len(chosen)
    assert 0.1 < first < 0.3  # a section of ten documents has one with probability 0.2
