"""How long programs take on this machine where nothing disturbs them."""

import json
import threading
from collections import defaultdict
from pathlib import Path

from experiments.faults.kill_targets import Target
from experiments.faults.programs import Running
from experiments.faults.storages import Storage
from experiments.faults.world import Site
from lvbert_tf.errors import InputError
from lvbert_tf.io.whole import remove, write_json


class Undisturbed:
    """The times of all targets; each is measured once, and kept in a file.

    Args:
      world: the undisturbed site.
      directory: has the files.
    """

    def __init__(self, world: Site, directory: Path):
        self._world, self._directory = world, directory
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def seconds(self, target: Target, storage: Storage) -> float:
        """The seconds from the start of a target to its end.

        Raises:
          InputError: the target failed.
        """
        file = self._directory / f"{target.part}_{storage.name}.json"
        with self._locks[file.name]:  # several cases of a target may begin at a time
            if not file.exists():
                seconds = self._measured(target, storage.directory / "undisturbed" / target.part)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, seconds)
            return json.loads(file.read_bytes())

    def _measured(self, target: Target, place: Path) -> float:
        with target.copied(self._world, place) as site:
            running = [Running(command) for command in target.start(site)]
            endings = [each.end() for each in running]
        for ending in endings:
            if ending.status:
                raise InputError(f"{target.what} failed undisturbed: {ending.message}")
        remove(place)
        return max(ending.seconds for ending in endings)
