"""Reads text from TensorFlow Datasets: `tfds:NAME[/config][:split]`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lvbert_tf.errors import InputError


def open_builder(location: str) -> tuple[Any, str]:
    """Prepares a dataset, and downloads it if it is not there.

    Args:
        location: `tfds:NAME[/config][:split]`; the split is `train` unless it is given.

    Returns:
        The builder of the dataset and the name of the split.

    Raises:
        InputError: there is no such dataset or split, or it cannot be prepared.
    """
    import tensorflow_datasets as tfds

    name, _, split = location.removeprefix("tfds:").partition(":")
    split = split or "train"
    try:
        builder = tfds.builder(name)
        builder.download_and_prepare()
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        raise InputError(f"{location}: {_first_line(error)}") from error
    except (OSError, ImportError, tfds.download.DownloadError) as error:
        raise InputError(
            f"{location} could not be prepared: {_first_line(error)}; without a network, call"
            f" tfds.builder({name!r}).download_and_prepare() where there is one, bring its directory"
            " here and set TFDS_DATA_DIR to it"
        ) from error
    try:
        builder.info.splits[split]
    except (KeyError, ValueError) as error:
        known = sorted(builder.info.splits)
        raise InputError(f"{location}: no split {split!r}; it has {known}") from error
    return builder, split


@dataclass(frozen=True)
class TfdsText:
    """One text feature of one split.

    Attributes:
        builder: the `tfds.core.DatasetBuilder`.
        split: the name of the split, or what TFDS takes for a name: a piece of a split.
        feature: the name of the feature.
        bytes: the size of the split, as TFDS states it.
        examples: the number of texts.
    """

    builder: Any  # tfds.core.DatasetBuilder
    split: Any
    feature: str
    bytes: int
    examples: int

    @classmethod
    def open(cls, location: str, feature: str) -> "TfdsText":
        """Prepares a dataset, and finds its text.

        Args:
            location: see `open_builder`.
            feature: the feature to read. If the dataset has a single text feature, that one is read.

        Raises:
            InputError: see `open_builder`; or there are several text features, none of this name.
        """
        import tensorflow_datasets as tfds

        builder, split = open_builder(location)
        texts = [
            key
            for key, kind in builder.info.features.items()
            if isinstance(kind, tfds.features.Text)
        ]
        if feature not in texts and len(texts) != 1:
            raise InputError(f"{location}: no text feature {feature!r}; it has {sorted(texts)}")
        feature = feature if feature in texts else texts[0]
        info = builder.info.splits[split]
        return cls(builder, split, feature, info.num_bytes, info.num_examples)

    @property
    def identity(self) -> tuple:
        """What differs where the split may hold something else."""
        name = self.builder.info.full_name
        return name, str(self.split), self.feature, self.bytes, self.examples

    def divide(self) -> list["TfdsText"]:
        """Divides the split into as many pieces as it has files, which can be read independently.

        Together, and in this order, they are the whole.
        """
        import tensorflow_datasets as tfds

        count = max(1, len(self.builder.info.splits[self.split].file_instructions))
        if count == 1:
            return [self]
        pieces = []
        for index, piece in enumerate(tfds.even_splits(self.split, count)):
            begin, end = (self.bytes * n // count for n in (index, index + 1))
            examples = self.builder.info.splits[piece].num_examples
            pieces.append(replace(self, split=piece, bytes=end - begin, examples=examples))
        return pieces

    def read(self, on_bytes: Callable[[int], object]) -> Iterator[str]:
        """Yields the texts in the order of the dataset.

        Args:
            on_bytes: called after each text with an even share of `bytes`.
        """
        import tensorflow_datasets as tfds

        dataset = self.builder.as_dataset(
            split=self.split,
            shuffle_files=False,
            # Only the text of a record is decoded.
            decoders=tfds.decode.PartialDecoding({self.feature: True}),
        )
        reported = 0
        for number, record in enumerate(tfds.as_numpy(dataset), start=1):
            due = self.bytes * number // max(1, self.examples)
            on_bytes(due - reported)
            reported = due
            yield record[self.feature].decode("utf-8", errors="ignore")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
