"""Rows of TensorFlow Datasets (TFDS), as values by field."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import RowLocation
from lvbert_tf.finetuning.tasks.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.tasks.rows import Column, Row

# Records that leave TensorFlow at a time: one by one, most of the time would go into that.
_BATCH = 1024


@dataclass(frozen=True)
class TfdsDataset:
    """Where the splits of a built-in task are in TFDS.

    Args:
      splits: the task's name of a split -> `NAME[/config]:split`.
      columns: field -> feature; see `read_tfds`.
      classes: TFDS's name of a class -> the name in the task's files, where they differ.
    """

    splits: Mapping[str, str]
    columns: Mapping[str, str]
    classes: Mapping[str, str] = field(default_factory=dict)

    def location(self, split: str) -> str:
        """The TFDS name of a split of the task: `tfds:NAME[/config]:split`."""
        return f"tfds:{self.splits[split]}"

    def read(
        self, split: str, bad_rows: BadRows, leave_out: Collection[str] = ()
    ) -> Iterator[tuple[RowLocation, Row]]:
        """Yields the rows of a split of the task without some fields; see `read_tfds`."""
        columns = {name: column for name, column in self.columns.items() if name not in leave_out}
        return read_tfds(self.location(split), columns, bad_rows)


def same_splits(dataset: str, **splits: str) -> dict[str, str]:
    """The splits of a task that are all in one dataset.

    Args:
      dataset: `NAME[/config]`.
      **splits: the task's name of a split -> TFDS's name.
    """
    return {split: f"{dataset}:{theirs}" for split, theirs in splits.items()}


def read_tfds(
    location: str, columns: Mapping[str, Column], bad_rows: BadRows
) -> Iterator[tuple[RowLocation, Row]]:
    """Yields the records of a split in the dataset's order.

    Args:
      location: `tfds:NAME[/config][:split]`.
      columns: field -> feature. `a.b` is `b` within the feature `a`, and a list of it for each
        sequence on the way. A class label becomes its name.
      bad_rows: what happens to bad rows.

    Raises:
      InputError: there is no such dataset, split or feature, or the dataset cannot be prepared; or a
        text is not UTF-8, unless `bad_rows` skips it.
    """
    # TensorFlow starts only if a task reads from it.
    from lvbert_tf.io.tfds import open_builder

    builder, split = open_builder(location)
    features = {}
    for name, column in columns.items():
        feature = _find_feature(builder.info.features, str(column).split("."))
        if feature is None:
            names = ", ".join(map(shown, sorted(builder.info.features)))
            raise InputError(f"{location}: no feature {column!r} ({name}); it has {names}")
        features[name] = feature
    paths = {name: str(columns[name]).split(".") for name in features}
    needed = {path[0] for path in paths.values()}
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    # Features of other types than a task needs may not form batches.
    dataset = dataset.map(lambda record: {name: record[name] for name in needed})
    number = 0
    for batch in dataset.ragged_batch(_BATCH):
        values = [_values(batch, path) for path in paths.values()]
        for record in zip(*values, strict=True):
            row_location = RowLocation(location, f"record {number}")
            number += 1
            with bad_rows.at(row_location):
                pairs = zip(features.items(), record, strict=True)
                yield (
                    row_location,
                    {name: _plain(feature, value) for (name, feature), value in pairs},
                )


def _find_feature(features: Any, names: list[str]) -> Any:
    """The feature at a path, inside one list for each sequence on the way; None if there is none."""
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
    """The values at a path, one for each record, as Python's own types and lists of them."""
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
        # TFDS marks a record without a label, as in test sets, with -1.
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
