import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvbert_tf.records.example_spans import as_arrays, choose_spans, random_draws


@given(
    line_lengths=st.lists(st.integers(0, 90), max_size=30),
    begin=st.integers(0, 50),
    length=st.integers(5, 48),
    seed=st.integers(0, 2**32),
)
def test_every_token_comes_once_and_in_order(line_lengths, begin, length, seed):
    line_ends = (begin + np.cumsum(line_lengths, dtype=int)).tolist()
    spans = choose_spans(line_ends, begin, length, random_draws(seed, 0))
    last = line_ends[-1] if line_ends else begin
    parts = [part for start, split, end in spans for part in ((start, split), (split, end))]
    covered = [place for start, end in parts for place in range(start, end)]
    assert covered == list(range(begin, last))
    # [CLS] a [SEP], and b [SEP] only if there is a b.
    lengths = [end - start + (2 if split == end else 3) for start, split, end in spans]
    assert as_arrays(spans).lengths.tolist() == lengths
    assert all(used <= length for used in lengths)
    assert all(start < split for start, split, _ in spans)


def test_lines_stay_whole_where_they_fit():
    # 10 tokens of room in two segments of at most 5: lines of 4 and 5 are not divided.
    spans = choose_spans([4, 9, 13, 18], 0, 13, iter([[0.9, 0, 0.9, 0.9]] * 3))
    assert spans == [(0, 4, 9 + 1), (10, 13, 18)]


def test_a_long_line_is_carried_on():
    spans = choose_spans([30], 0, 12, iter([[0.9, 0, 0.9, 0.9]] * 3))
    assert spans == [(0, 10, 10), (10, 20, 20), (20, 30, 30)]


def test_the_line_across_the_middle_goes_to_either_side():
    line_ends = [4, 16, 29]
    stays, moves = ([0.9, 0, 0.9, coin] for coin in (0.1, 0.9))
    assert choose_spans(line_ends, 0, 32, iter([stays])) == [(0, 16, 29)]
    assert choose_spans(line_ends, 0, 32, iter([moves])) == [(0, 4, 29)]


def test_a_short_target_ends_the_example_early():
    # Target 5: the first line of at least two tokens is enough.
    assert choose_spans([6, 12], 0, 32, iter([[0.01, 0.0, 0.9, 0.9]] * 2)) == [
        (0, 6, 6),
        (6, 12, 12),
    ]


def test_rates_of_short_and_single_segment_examples():
    line_ends = list(range(4, 400_001, 4))
    spans = as_arrays(choose_spans(line_ends, 0, 64, random_draws(0, 0)))
    single = (spans.split == spans.end).mean()
    short = (spans.lengths < 60).mean()
    assert single == pytest.approx(0.1, abs=0.02)
    # A short target is uniform over 5 to 64, so nearly all are noticeably short.
    assert short == pytest.approx(0.05 * 55 / 60, abs=0.015)
    middle = (spans.first_lengths / spans.lengths)[spans.split < spans.end]
    assert middle.mean() == pytest.approx(0.5, abs=0.05)


def test_draws_depend_on_seed_and_part_only():
    first = [next(random_draws(5, 2)) for _ in range(2)]
    assert first[0] == first[1]
    assert next(random_draws(5, 3)) != first[0] != next(random_draws(6, 2))
    # The first section has the numbers that a corpus had before there were sections.
    assert next(random_draws(5, 2, 1)) != first[0] == next(random_draws(5, 2, 0))
    assert first[0] == np.random.default_rng([5, 2]).random((1024, 4))[0].tolist()
