"""Rows of a TensorFlow Dataset, as values by role."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.bad_rows import BadRows, RowError, shown
from lvbert_tf.finetuning.examples import Source
from lvbert_tf.finetuning.rows import Column, Row


def read_tfds(
    location: str,
    columns: Mapping[str, Column],
    bad_rows: BadRows,
    optional: Collection[str] = (),
) -> Iterator[tuple[Source, Row]]:
    """Yields the records of a split in the dataset's order.

    Args:
      location: `tfds:NAME[/config][:split]`.
      columns: role -> feature; `a.b` is `b` within the feature `a`. A class label becomes its name.
      optional: roles whose feature the dataset may lack.

    Raises:
      InputError: there is no such dataset, split or feature, or it cannot be prepared; or a text is
        not UTF-8, unless `bad_rows` skips it.
    """
    # TensorFlow starts only if a task reads from it.
    import tensorflow_datasets as tfds

    from lvbert_tf.pretraining.tfds_source import open_builder

    builder, split = open_builder(location)
    features = {}
    for role, column in columns.items():
        feature = _find_feature(builder.info.features, str(column).split("."))
        if feature is not None:
            features[role] = feature
        elif role not in optional:
            names = ", ".join(map(shown, sorted(builder.info.features)))
            raise InputError(f"{location}: no feature {column!r} ({role}); it has {names}")
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    for number, record in enumerate(tfds.as_numpy(dataset)):
        source = Source(location, f"record {number}")
        with bad_rows.at(source):
            row = {}
            for role, feature in features.items():
                value = record
                for name in str(columns[role]).split("."):
                    value = value[name]
                row[role] = _plain(feature, value)
            yield source, row


def _find_feature(features: Any, names: list[str]) -> Any:
    """The feature at a path, or None; a list of it where the path leads through a sequence."""
    import tensorflow_datasets as tfds

    within_sequence = False
    for name in names:
        if isinstance(features, tfds.features.Sequence):
            features, within_sequence = features.feature, True
        if not isinstance(features, tfds.features.FeaturesDict) or name not in features:
            return None
        features = features[name]
    innermost = features.feature if isinstance(features, tfds.features.Sequence) else features
    if isinstance(innermost, tfds.features.FeaturesDict):
        return None
    return [features] if within_sequence else features


def _plain(feature: Any, value: Any) -> Any:
    """A value of a record as text, numbers and lists of them."""
    import tensorflow_datasets as tfds

    if isinstance(feature, list):
        return [_plain(feature[0], item) for item in value]
    if isinstance(feature, tfds.features.Sequence):
        return [_plain(feature.feature, item) for item in value]
    if isinstance(feature, tfds.features.ClassLabel):
        # TFDS marks the unlabelled records of a test set so.
        return feature.int2str(int(value)) if value >= 0 else ""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise RowError(f"a text is not UTF-8: {shown(value)}") from error
    return value.item() if hasattr(value, "item") else value
