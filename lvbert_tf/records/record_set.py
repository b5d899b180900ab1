"""Finds a set of record files, checks that a model can read them, and divides them into blocks."""

import os
import re
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.patterns import divide_patterns, matching
from lvbert_tf.records import record_scan
from lvbert_tf.records.manifest import BLOCK_EXAMPLES, MANIFEST_NAME, Manifest, Shard
from lvbert_tf.settings.parts import RecordSettings
from lvbert_tf.text.vocabulary import Vocabulary

# How many files are looked up at a time: on a network file system each waits for an answer.
_LOOKUPS = 64
_FIRST_BYTES = 1 << 20  # has the first record, whose longest has 4,096 tokens


@dataclass(frozen=True, eq=False)
class RecordSet:
    """Record files, and the blocks of up to 8,192 records in which they are read.

    Attributes:
        files: the paths, sorted by name and number.
        block_files: int64 `[blocks]`, the index of each block's file in `files`.
        block_offsets: int64 `[blocks]`, the byte at which each block starts.
        block_examples: int64 `[blocks]`, the number of records of each block.
        max_seq_length: the number of tokens of an example.
        manifest: the manifest in the first file's directory; None if there is none.
        corrupt_records: damaged file -> the number of its records that are left out.
    """

    files: tuple[str, ...]
    block_files: np.ndarray
    block_offsets: np.ndarray
    block_examples: np.ndarray
    max_seq_length: int
    manifest: Manifest | None
    corrupt_records: dict[str, int]

    @property
    def num_examples(self) -> int:
        """The number of records in all files."""
        return int(self.block_examples.sum())

    @classmethod
    def open(
        cls,
        pattern: str,
        settings: RecordSettings,
        vocabulary: Vocabulary | None = None,
    ) -> "RecordSet":
        """Finds the files and checks them.

        Of a file that a manifest lists only the size is checked. A file that no manifest lists is read
        from end to end, and so is every file with `skip_corrupt_records`.

        Args:
            pattern: comma-separated paths, which may have wildcards.
            settings: what the model reads, and what to do about files without a manifest or with damaged
                records. Records that are left out are counted in `corrupt_records`.
            vocabulary: the model's vocabulary; None omits the check of the vocabulary.

        Raises:
            InputError: there are no files or no manifest; files are missing, cut short or damaged; or
                they were built with another length, vocabulary or casing.
        """
        sizes = _find(pattern)
        files = list(sizes)
        directories = sorted({os.path.dirname(file) for file in files})
        manifests = {directory: _read_manifest(directory) for directory in directories}
        length, skip = settings.max_seq_length, settings.skip_corrupt_records
        expected = (length, vocabulary, settings.do_lower_case)
        blocks: list[tuple[int, int, int]] = []
        corrupt = {}
        for directory, manifest in manifests.items():
            if manifest is None:
                if not settings.allow_missing_manifest:
                    raise InputError(
                        f"no {MANIFEST_NAME} in {directory or '.'}; build the records with"
                        " build_pretraining_dataset.py, or set allow_missing_manifest"
                    )
                continue
            _check_manifest(manifest, os.path.join(directory, MANIFEST_NAME), *expected)
            _check_complete(manifest, directory, sizes, check_sizes=not skip)
        shards = {directory: _shards(manifest) for directory, manifest in manifests.items()}
        for index, file in enumerate(files):
            shard = shards[os.path.dirname(file)].get(os.path.basename(file))
            if shard is None:
                _check_first_record(file, length, vocabulary)
            if shard is None or skip:
                scan = record_scan.scan(file, verify=skip)
                if scan.first_damage and not skip:
                    raise InputError(_damage_message(file, scan))
                if lost := max(scan.corrupt, shard.examples - _sound_records(scan) if shard else 0):
                    corrupt[file] = lost
                blocks += [(index, offset, count) for offset, count in scan.blocks]
            else:
                blocks += [(index, offset, count) for offset, count in _blocks(shard)]
        if not blocks:
            raise InputError(f"no records in {pattern}")
        block_files, offsets, examples = np.array(blocks, np.int64).T
        manifest = manifests[os.path.dirname(files[0])]
        return cls(tuple(files), block_files, offsets, examples, length, manifest, corrupt)


def explain_data_error(error: tf.errors.OpError, records: RecordSet) -> InputError:
    """Finds the file behind an error of reading (`tf.errors.DataLossError` and the like).

    Args:
        error: the error that `tf.data` raised.
        records: the records that were read.

    Returns:
        An error that names the file and, if it can be found, the record.
    """
    offset = re.search(r"record at (\d+)", error.message or "")
    if offset:
        for file in records.files:
            if record_scan.is_damaged_at(file, int(offset[1])):
                return InputError(_damage_message(file, record_scan.scan(file, verify=True)))
    for file in records.files:
        if not parse_path(file).exists():
            return InputError(f"{file} has disappeared")
        scan = record_scan.scan(file, verify=False)
        if scan.first_damage:
            return InputError(_damage_message(file, scan))
        counts = records.block_examples[records.block_files == records.files.index(file)]
        if _sound_records(scan) < counts.sum():
            return InputError(f"{file} has become shorter; build the records again")
    reason = (error.message or repr(error)).splitlines()[0]
    return InputError(f"cannot read {records.files[0]} or the other record files: {reason}")


def _find(pattern: str) -> dict[str, int]:
    """The files that match a pattern, in their order, and their sizes in bytes."""
    sizes: dict[str, int] = {}
    for part in divide_patterns(pattern):
        found = _sizes(map(str, matching(part)))
        if not found:
            raise InputError(f"no record files match {part}")
        sizes |= {f: size for f, size in found.items() if os.path.basename(f) != MANIFEST_NAME}
    if not sizes:
        raise InputError(f"no record files match {pattern!r}")
    return {file: sizes[file] for file in sorted(sizes, key=_natural_order)}


def _sizes(paths: Iterable[str]) -> dict[str, int]:
    """The sizes in bytes of those paths that are files; many are looked up at a time."""

    def look_up(path: str) -> int | None:
        try:
            found = parse_path(path).stat()
        except FileNotFoundError:
            return None
        return None if stat.S_ISDIR(found.st_mode) else found.st_size

    paths = list(paths)
    with ThreadPoolExecutor(_LOOKUPS) as pool:
        sizes = zip(paths, pool.map(look_up, paths), strict=True)
        return {path: size for path, size in sizes if size is not None}


def _natural_order(file: str) -> list[str | int]:
    """A sort key that compares numbers in names as numbers, so that shard 2 comes before shard 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file)]


def _read_manifest(directory: str) -> Manifest | None:
    path = parse_path(os.path.join(directory, MANIFEST_NAME))
    return Manifest.from_json(path.read_bytes(), path) if path.exists() else None


def _check_manifest(
    manifest: Manifest,
    path: str,
    max_seq_length: int,
    vocabulary: Vocabulary | None,
    lowercase: bool | None,
) -> None:
    if manifest.max_seq_length != max_seq_length:
        raise InputError(
            f"{path}: the records have length {manifest.max_seq_length}, max_seq_length is"
            f" {max_seq_length}"
        )
    if vocabulary is not None and manifest.vocabulary_size != vocabulary.size:
        raise InputError(
            f"{path}: the records' vocabulary has {manifest.vocabulary_size} tokens, the model's"
            f" {vocabulary.size}"
        )
    if vocabulary is not None and manifest.vocabulary_sha256 != vocabulary.sha256:
        raise InputError(
            f"{path}: the records were built with another vocabulary of {vocabulary.size} tokens"
        )
    if lowercase is not None and manifest.lowercase != lowercase:
        kinds = {True: "lower-cased", False: "cased"}
        raise InputError(
            f"{path}: the records are {kinds[manifest.lowercase]}, the model reads"
            f" {kinds[lowercase]} text"
        )


def _check_complete(
    manifest: Manifest, directory: str, sizes: dict[str, int], check_sizes: bool
) -> None:
    """Checks that every shard of the splits that are read is there and has its size."""
    for split in (manifest.training, manifest.held_out):
        paths = {os.path.join(directory, shard.name): shard for shard in split.shards}
        others = paths.keys() - sizes.keys()  # not in the pattern, or missing
        if len(others) == len(paths):
            continue
        found = sizes | _sizes(others)
        for path, shard in paths.items():
            if path not in found:
                raise InputError(f"{path} is missing; the manifest lists {len(paths)} such files")
            if check_sizes and found[path] != shard.bytes:
                raise InputError(f"{path} has {found[path]} bytes, the manifest says {shard.bytes}")


def _check_first_record(file: str, max_seq_length: int, vocabulary: Vocabulary | None) -> None:
    """Checks a file that no manifest describes by its first record, if that can be read."""
    with parse_path(file).open("rb") as opened:
        first = next(record_scan.messages(opened.read(_FIRST_BYTES)), None)
    if first is None or first[1] is None:
        return
    names = ("input_ids", "input_mask", "segment_ids")
    try:
        example = tf.io.parse_single_example(
            first[1], {name: tf.io.VarLenFeature(tf.int64) for name in names}
        )
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{file}: its first record is not an example") from error
    values = {name: example[name].values.numpy() for name in names}
    for name in names:
        if len(values[name]) != max_seq_length:
            raise InputError(
                f"{file}: {name} has length {len(values[name])}, max_seq_length is {max_seq_length}"
            )
    if vocabulary is not None and values["input_ids"].max() >= vocabulary.size:
        raise InputError(
            f"{file}: token id {values['input_ids'].max()} is outside the vocabulary of"
            f" {vocabulary.size}"
        )


def _shards(manifest: Manifest | None) -> dict[str, Shard]:
    """The shards of both splits by name; none where there is no manifest."""
    splits = (manifest.training, manifest.held_out) if manifest else ()
    return {shard.name: shard for split in splits for shard in split.shards}


def _blocks(shard: Shard) -> list[tuple[int, int]]:
    full, rest = divmod(shard.examples, BLOCK_EXAMPLES)
    counts = [BLOCK_EXAMPLES] * full + [rest] * (rest > 0)
    return list(zip(shard.block_offsets, counts, strict=True))


def _sound_records(scan: record_scan.RecordScan) -> int:
    return sum(count for _, count in scan.blocks)


def _damage_message(file: str, scan: record_scan.RecordScan) -> str:
    if scan.first_damage is None:
        return f"{file} is damaged"
    index, offset = scan.first_damage
    return (
        f"{file}: record {index} (at byte {offset}) is corrupt or cut short; build the records"
        " again, or set skip_corrupt_records to leave such records out"
    )
