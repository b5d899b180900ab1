"""Which processes train together: the workers of TF_CONFIG, or the tasks of a step of Slurm."""

import itertools
import json
import os
from collections.abc import Mapping
from typing import Any

from tensorflow.python.distribute.cluster_resolver import slurm_cluster_resolver

from lvbert_tf.errors import InputError

_SLURM_STEP = ("JOB_ID", "PROCID", "STEP_NODELIST", "STEP_NUM_TASKS", "STEP_TASKS_PER_NODE")
_SLURM_PORT = 20_000


def take_tasks_of_slurm() -> None:
    """Sets TF_CONFIG if this process is one of several tasks that `srun` has started.

    Raises:
      InputError: the variables that Slurm sets contradict each other.
    """
    step = {name: os.environ.get(f"SLURM_{name}", "") for name in _SLURM_STEP}
    if step["STEP_NUM_TASKS"] in ("", "1"):
        return
    try:
        hosts = slurm_cluster_resolver.expand_hostlist(step["STEP_NODELIST"])
        tasks = slurm_cluster_resolver.expand_tasks_per_node(step["STEP_TASKS_PER_NODE"])
        # Jobs that share a node get different ports.
        port = _SLURM_PORT + int(step["JOB_ID"]) % 1250 * 8
        workers = [
            f"{host}:{port + place}"
            for host, count in zip(hosts, tasks, strict=True)
            for place in range(count)
        ]
        index = int(step["PROCID"])
        if len(workers) != int(step["STEP_NUM_TASKS"]) or not 0 <= index < len(workers):
            raise ValueError
    except ValueError:
        given = ", ".join(f"SLURM_{name}={value!r}" for name, value in step.items())
        raise InputError(
            f"no cluster can be made of Slurm's variables ({given}): set TF_CONFIG, or name another"
            " --strategy"
        ) from None
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})


def read_tf_config() -> Mapping[str, Any]:
    """Reads TF_CONFIG and refuses one from which TensorFlow could make no workers.

    Raises:
      InputError: it is missing or malformed; the message shows what is expected.
    """
    text = os.environ["TF_CONFIG"] = os.environ.get("TF_CONFIG", "").removeprefix("\ufeff")
    example = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
    try:
        value = json.loads(text)
        cluster, task = value["cluster"], value["task"]
        members, index = cluster[task["type"]], task["index"]
        known = isinstance(index, int) and 0 <= index < len(members)
        legal = task["type"] in ("chief", "worker") and set(cluster) <= {"chief", "worker"}
        legal = legal and all(map(_is_address, itertools.chain(*cluster.values())))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        known = legal = False
    if not (known and legal):
        raise InputError(f"--strategy multi_worker: TF_CONFIG is {text!r}; expected {example}")
    return value


def _is_address(text: Any) -> bool:
    """Whether it is `host:port`."""
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    return bool(host) and port.isascii() and port.isdecimal() and 0 < int(port[:9]) < 2**16
