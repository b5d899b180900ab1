"""A search that many processes share while they are killed at random: is its result that of one alone?

    python -m experiments.killed_search --storage postgresql://user@host/name --minutes 5

Starts workers on one study in a database (which has to be empty), kills a random one every few seconds
by SIGKILL and starts another in its place. A string's score is a number that its letters decide, and
takes a moment. When the time is over, the candidates are compared with those of one undisturbed process:
strings, origins and scores of every candidate have to be equal. Exit code 1: they are not.
"""

import dataclasses
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import optuna
from absl import flags

from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.search import search
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.study import open_study
from lvbert_tf.search.trials import candidates
from lvbert_tf.settings.pretraining import PretrainingConfig

FLAGS = flags.FLAGS

_CHECK_SECONDS = 0.1


def score(string: LayerString) -> dict[str, float]:
    """A number that the letters decide."""
    time.sleep(FLAGS.seconds_a_score)
    return score_at_once(string)


def score_at_once(string: LayerString) -> dict[str, float]:
    """The same without taking time."""
    digest = hashlib.sha256(str(string).encode()).digest()
    return {"disc_loss": int.from_bytes(digest[:4]) / 2**32}


def settings_and_space() -> tuple[SearchSettings, SearchSpace]:
    """Evolution over 24 layers in generations of 50, more of them than there is time for."""
    settings = SearchSettings(num_generations=100_000)
    config = PretrainingConfig.create("data", "killed", {})
    return settings, settings.space(config.discriminator, config.max_seq_length)


def shared_study() -> optuna.Study:
    """The study in the database."""
    settings, space = settings_and_space()
    with tempfile.TemporaryDirectory() as unused:
        return open_study(
            Path(unused), "killed", space, settings, FLAGS.seed, {}, storage_url=FLAGS.storage
        )


def undisturbed(generations: int, seed: int) -> list[Candidate]:
    """The candidates of one process, that keeps its study in memory."""
    settings, space = settings_and_space()
    settings = dataclasses.replace(settings, num_generations=generations - 1)
    study = optuna.create_study()
    search(study, space, settings, score_at_once, seed)
    return candidates(study)


def differences(shared: Iterable[Candidate], alone: Iterable[Candidate]) -> list[str]:
    """A line for each candidate that is not what one process alone has at its place."""
    expected = {one.number: dataclasses.replace(one, seconds=0.0) for one in alone}
    return [
        f"candidate {one.number}: {one.string} ({one.origin}), alone"
        f" {getattr(expected.get(one.number), 'string', 'none')}"
        for one in shared
        if dataclasses.replace(one, seconds=0.0) != expected.get(one.number)
    ]


def run_and_kill(minutes: float) -> int:
    """Keeps the workers running and kills some; returns how many were killed.

    Raises:
      InputError: a worker ended by itself.
    """
    chance = random.Random(FLAGS.seed)
    command = [sys.executable, "-m", "experiments.killed_search", "--worker"]
    command += [f"--{name}={FLAGS[name].value}" for name in ("storage", "seconds_a_score", "seed")]
    with tempfile.TemporaryFile() as errors:

        def start() -> subprocess.Popen:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)

        workers, kills = [start() for _ in range(FLAGS.workers)], 0
        end = time.monotonic() + 60 * minutes
        next_kill = time.monotonic()
        try:
            while time.monotonic() < end:
                time.sleep(_CHECK_SECONDS)
                if any(worker.poll() is not None for worker in workers):
                    errors.seek(0)
                    lines = errors.read().decode(errors="replace").strip().splitlines()
                    raise InputError(f"a worker ended by itself: {lines[-1] if lines else ''}")
                if time.monotonic() >= next_kill:
                    victim = chance.randrange(len(workers))
                    workers[victim].kill()
                    workers[victim].wait()
                    workers[victim] = start()
                    kills += 1
                    next_kill += chance.expovariate(1 / FLAGS.seconds_between_kills)
        finally:
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.wait()
    return kills


def main() -> int:
    """Is a worker, or runs the experiment and prints what came of it."""
    if FLAGS.worker:
        settings, space = settings_and_space()
        search(shared_study(), space, settings, score, FLAGS.seed)
        return 0
    study = shared_study()
    if study.trials:
        raise InputError("the database has a study of an earlier run; give an empty one")
    kills = run_and_kill(FLAGS.minutes)
    shared = candidates(study)
    if not shared:
        raise InputError("nothing was scored in that time")
    states = Counter(trial.state.name.lower() for trial in study.get_trials(deepcopy=False))
    size = settings_and_space()[0].generation_size(0)
    generations = 1 + max(one.number for one in shared) // size
    wrong = differences(shared, undisturbed(generations, FLAGS.seed))
    print(f"{FLAGS.workers} workers in {FLAGS.minutes:g} minutes, {kills} of them killed")
    print(f"{len(shared):,} candidates scored, in {generations} generations")
    print("trials: " + ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())))
    print("\n".join(wrong) or "every candidate is that of one process alone")
    return 1 if wrong else 0


def _define_flags() -> None:
    flags.DEFINE_string("storage", None, "The URL of an empty database.", required=True)
    flags.DEFINE_float("minutes", 5.0, "How long the workers run.", lower_bound=0.1)
    flags.DEFINE_integer("workers", 8, "Processes at a time.", lower_bound=1)
    flags.DEFINE_float("seconds_between_kills", 4.0, "In the mean.", lower_bound=0.1)
    flags.DEFINE_float("seconds_a_score", 0.2, "How long scoring a string takes.", lower_bound=0.0)
    flags.DEFINE_integer("seed", 1, "Of the search, and of when which worker is killed.")
    flags.DEFINE_bool("worker", False, "Be one of the workers; for this program itself.")


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
