"""The corrupted held-out set. It is made once; every candidate, process and restart is scored on it."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lvbert_tf.errors import InputError
from lvbert_tf.io.locks import changing
from lvbert_tf.io.whole import replace_file
from lvbert_tf.models import ElectraPretrainer
from lvbert_tf.pretraining.objective import PretrainingObjective
from lvbert_tf.records.record_set import RecordSet
from lvbert_tf.runs.named_weights import named_weights

_PROVENANCE = "origin"  # its name in the file


@dataclass(frozen=True)
class Provenance:
    """What a set was made from. Scores on sets of different provenance cannot be compared.

    Attributes:
      checkpoint_step: the training step of the supernet.
      weights_sha256: the hash of all weights of the supernet, because another run of as many steps has
        other weights.
      records_sha256: the hash of the held-out records' manifest.
      num_eval_steps: the highest number of batches.
      eval_batch_size: the number of sequences in a batch.
      objective: `PretrainingObjective` as JSON types.
      detects_replacements: whether candidates are scored on replaced tokens or on masked ones.
      precision: the dtype of the layers' arithmetic.
    """

    checkpoint_step: int
    weights_sha256: str
    records_sha256: str
    num_eval_steps: int
    eval_batch_size: int
    objective: dict[str, Any]
    detects_replacements: bool
    precision: str

    @classmethod
    def of(
        cls,
        pretrainer: ElectraPretrainer,
        checkpoint_step: int,
        objective: PretrainingObjective,
        records: RecordSet,
        num_eval_steps: int,
        eval_batch_size: int,
    ) -> "Provenance":
        """The provenance of a set that is yet to be made."""
        return cls(
            checkpoint_step,
            _weights_sha256(pretrainer),
            _records_sha256(records),
            num_eval_steps,
            eval_batch_size,
            json.loads(json.dumps(dataclasses.asdict(objective))),
            pretrainer.replaced_token_head is not None,
            pretrainer.discriminator.compute_dtype,
        )


@dataclass(frozen=True, eq=False)
class CorruptedSet:
    """Corrupted held-out batches.

    Attributes:
      provenance: what they were made from.
      features: by name, arrays of shape (batches, batch, ...). With replacements `token_ids` (the
        corrupted ones), `segment_ids`, `padding_mask` and `is_fake`; with masks what
        `masking.mask_tokens` returns.
    """

    provenance: Provenance
    features: dict[str, np.ndarray]

    def save(self, path: Path) -> None:
        """Writes an `.npz`; see `replace_file`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(self.features)
        arrays[_PROVENANCE] = np.array(json.dumps(dataclasses.asdict(self.provenance)))
        archive = io.BytesIO()
        np.savez_compressed(archive, **arrays)
        replace_file(path, archive.getvalue())

    @classmethod
    def load(cls, path: Path) -> "CorruptedSet":
        """Reads what `save` wrote.

        Raises:
          InputError: the file is damaged or something else.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                features = {name: archive[name] for name in archive.files if name != _PROVENANCE}
                provenance = Provenance(**json.loads(str(archive[_PROVENANCE])))
            _check(features, provenance)
        except Exception as error:  # whatever zipfile, zlib and NumPy meet first in a damaged file
            reason = " ".join((str(error) or repr(error)).split())[:120]
            raise InputError(
                f"{path} is no corrupted held-out set ({reason}); move it away to make it again"
            ) from error
        return cls(provenance, features)


def open_corrupted_set(
    path: Path, provenance: Provenance, make: Callable[[], dict[str, np.ndarray]]
) -> CorruptedSet:
    """Reads the set, or makes it where there is none yet.

    Args:
      path: its file.
      provenance: what the set has to be made from.
      make: computes the features of the set.

    Raises:
      InputError: the file is damaged, or the set was made from something else.
    """
    if not path.exists():
        made = CorruptedSet(provenance, make())
        with changing(path):
            if not path.exists():
                made.save(path)
    # Also read by the process that made it: if several made it at the same time, the first one counts.
    found = CorruptedSet.load(path)
    differing = [
        field.name
        for field in dataclasses.fields(Provenance)
        if getattr(found.provenance, field.name) != getattr(provenance, field.name)
    ]
    if differing:
        raise InputError(
            f"{path} was made from another {', '.join(differing)}; scores on it do not compare with"
            " scores on a new one: start a search of another name, or restore what it was made from"
        )
    return found


_FLAGS = ("padding_mask", "is_fake")
_REPLACED = {"token_ids", "segment_ids", *_FLAGS}
_MASKED = {
    *("token_ids", "masked_token_ids", "segment_ids", "padding_mask"),
    *("mask_positions", "mask_labels", "mask_weights", "sampling_noise"),
}


def _check(features: dict[str, np.ndarray], provenance: Provenance) -> None:
    expected = _REPLACED if provenance.detects_replacements else _MASKED
    if set(features) != expected:
        raise ValueError(f"it has {', '.join(sorted(features))}")
    batches, _, length = features["token_ids"].shape
    if not 1 <= batches <= provenance.num_eval_steps:
        raise ValueError(f"it has {batches} batches")
    for name, values in features.items():
        if values.shape[:2] != (batches, provenance.eval_batch_size) or values.dtype.itemsize != 4:
            raise ValueError(f"{name} has shape {values.shape} of {values.dtype}")
        top = 1 if name in _FLAGS else length - 1 if name == "mask_positions" else np.inf
        if not (np.isfinite(values) & (values >= 0) & (values <= top)).all():
            raise ValueError(f"{name} has illegal values")


def _weights_sha256(pretrainer: ElectraPretrainer) -> str:
    digest = hashlib.sha256()
    for name, weight in sorted(named_weights(pretrainer).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def _records_sha256(records: RecordSet) -> str:
    # The manifest is that of the first file's directory.
    one_directory = len({PurePath(file).parent for file in records.files}) == 1
    if records.manifest is not None and one_directory:
        content = records.manifest.to_json()
    else:
        names = [PurePath(file).name for file in records.files]
        blocks = (records.block_files, records.block_offsets, records.block_examples)
        content = json.dumps([names, *(values.tolist() for values in blocks)])
    return hashlib.sha256(content.encode()).hexdigest()
