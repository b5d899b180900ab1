"""The manifest of records."""

import pytest

from lvbert_tf.records.manifest import Counts, Manifest, Split


@pytest.mark.parametrize("unknown", [None, 0, 3])
def test_a_count_that_is_not_there_is_not_written(unknown):
    """Searches know their records by the text, also those of releases that counted no [UNK]."""
    split = Split(Counts(2, 30, 8, 1, unknown), ())
    fields = dict.fromkeys(Manifest.__dataclass_fields__)
    text = Manifest(**{**fields, "training": split, "held_out": split}).to_json()
    assert ("unknown_tokens" in text) == (unknown is not None)
