"""Rows of a TensorFlow Dataset, as values by role."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.examples import Source
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.rows import Column, Row

# Records that leave TensorFlow at a time; one by one most of the time would go into that.
_BATCH = 1024


def read_tfds(
    location: str, columns: Mapping[str, Column], bad_rows: BadRows
) -> Iterator[tuple[Source, Row]]:
    """Yields the records of a split in the dataset's order.

    Args:
      location: `tfds:NAME[/config][:split]`.
      columns: role -> feature; `a.b` is `b` within the feature `a`, a list of it for each sequence on
        the way. A class label becomes its name.

    Raises:
      InputError: there is no such dataset, split or feature, or it cannot be prepared; or a text is
        not UTF-8, unless `bad_rows` skips it.
    """
    # TensorFlow starts only if a task reads from it.
    from lvbert_tf.io.tfds import open_builder

    builder, split = open_builder(location)
    features = {}
    for role, column in columns.items():
        feature = _find_feature(builder.info.features, str(column).split("."))
        if feature is None:
            names = ", ".join(map(shown, sorted(builder.info.features)))
            raise InputError(f"{location}: no feature {column!r} ({role}); it has {names}")
        features[role] = feature
    paths = {role: str(columns[role]).split(".") for role in features}
    needed = {path[0] for path in paths.values()}
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    # Features of other kinds than a task needs may not form batches.
    dataset = dataset.map(lambda record: {name: record[name] for name in needed})
    number = 0
    for batch in dataset.ragged_batch(_BATCH):
        values = [_values(batch, path) for path in paths.values()]
        for record in zip(*values, strict=True):
            source = Source(location, f"record {number}")
            number += 1
            with bad_rows.at(source):
                pairs = zip(features.items(), record, strict=True)
                yield source, {role: _plain(feature, value) for (role, feature), value in pairs}


def _find_feature(features: Any, names: list[str]) -> Any:
    """The feature at a path, or None; in a list for each sequence that the path leads through."""
    import tensorflow_datasets as tfds

    sequences = 0
    for name in names:
        if isinstance(features, tfds.features.Sequence):
            features = features.feature
            sequences += 1
        if not isinstance(features, tfds.features.FeaturesDict) or name not in features:
            return None
        features = features[name]
    innermost = features.feature if isinstance(features, tfds.features.Sequence) else features
    if isinstance(innermost, tfds.features.FeaturesDict):
        return None
    for _ in range(sequences):
        features = [features]
    return features


def _values(batch: Any, path: list[str]) -> list[Any]:
    """The values at a path, a record each, as Python's own and lists of them."""
    import tensorflow as tf

    for name in path:
        batch = batch[name]
    return batch.to_list() if isinstance(batch, tf.RaggedTensor) else batch.numpy().tolist()


def _plain(feature: Any, value: Any) -> Any:
    """A value of a record as text, numbers and lists of them."""
    import tensorflow_datasets as tfds

    if isinstance(feature, list):
        return [_plain(feature[0], item) for item in value]
    if isinstance(feature, tfds.features.Sequence):
        return [_plain(feature.feature, item) for item in value]
    if isinstance(feature, tfds.features.ClassLabel):
        # TFDS marks the unlabelled records of a test set so.
        return feature.int2str(value) if value >= 0 else ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise RowError(f"a text is not UTF-8: {shown(value)}") from error
    if isinstance(value, float):
        # The shortest decimal that is this number in the feature's precision: 4.6, as in the file,
        # and not 4.599999904632568.
        return float(str(np.dtype(feature.np_dtype).type(value)))
    return value
