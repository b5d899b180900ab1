"""Where the programs of a case work: in a directory of this machine, or in a bucket of an object store.

The store is that of the tests: it has puts, gets, listings and removals, and nothing else, and all
processes of this machine share it.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import fsspec

from experiments.faults.programs import ROOT
from lvbert_tf.io.bucket_directories import MARKER, is_half_written
from lvbert_tf.io.paths import BucketPath, parse_path

DISK, BUCKET = "disk", "bucket"
STORAGES = (DISK, BUCKET)
_STORE_CODE = ROOT / "tests" / "object_store"


@dataclass(frozen=True)
class Storage:
    """A place for cases.

    Attributes:
      name: the word of --storage.
      suffix: added to the names of the cases.
      directory: has the directory of each case; it may be in a bucket.
    """

    name: str
    suffix: str
    directory: Path

    @classmethod
    def open(cls, name: str, campaign: Path) -> "Storage":
        """Opens a storage, also for the processes that this one starts.

        Args:
          name: one of `STORAGES`.
          campaign: the directory of the campaign, a path on this machine.
        """
        if name == DISK:
            return cls(name, "", campaign / "cases")
        objects = campaign / "bucket"
        objects.mkdir(parents=True, exist_ok=True)
        os.environ["OBJECT_STORE"] = str(objects)
        paths = [str(_STORE_CODE), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        sys.path.append(str(_STORE_CODE))
        fsspec.register_implementation("gs", "directory_store.DirectoryStore", clobber=True)
        return cls(name, ", in a bucket", parse_path("gs://campaign/cases"))


def leftovers(directory: Path) -> list[str]:
    """What killed processes have left, though the last one ended well: temporary files, and leases."""
    if not isinstance(directory, BucketPath):
        return [str(path) for path in directory.rglob(".tmp-*")]
    left = []
    for name in directory.objects():
        path = directory / name
        is_marker_of_half = path.name == MARKER and is_half_written(path.parent)
        if is_marker_of_half or name.endswith((".lock", ".lease")):
            left.append(str(path))
    return left
