"""What a search spends on its study as that grows, with scores that cost nothing.

    python -m benchmarks.study_growth
    python -m benchmarks.study_growth --storage sqlite
    python -m benchmarks.study_growth --storage postgresql://user@host/name      # an empty database

Fills studies with scored candidates of 24 layers, in generations of 50. Then the search goes on by one
generation, as in a process that is started anew. Prints the seconds for opening the study, and from then
until the first candidate is scored: the generation is planned and its trials are written. Then the
milliseconds for each of the 50 candidates, and the seconds of the plan alone for every sampler.
"""

import datetime
import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
from absl import flags
from optuna.trial import TrialState

from benchmarks.machine import processor
from lvbert_tf import cli
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.search.samplers import SAMPLERS, Proposal
from lvbert_tf.search.samplers.proposals import random_strings
from lvbert_tf.search.search import search
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.study import open_study
from lvbert_tf.search.trials import TrialRecord, candidates, waiting_trial
from lvbert_tf.settings.pretraining import PretrainingConfig

FLAGS = flags.FLAGS
flags.DEFINE_string("storage", "", "Empty: a journal; sqlite: a file; or the URL of a database.")
flags.DEFINE_multi_integer("candidates", [1000, 10_000], "Sizes of the study; may be repeated.")

SEED = 42
GENERATION = 50


def main() -> None:
    """Prints the table."""
    print(f"{processor()}; {FLAGS.storage.split(':')[0] or 'journal'}")
    plans = "".join(f"{f'plan, {name}':>18}" for name in SAMPLERS)
    print(f"{'candidates':>10}{'open, s':>10}{'to the first, s':>17}{'each, ms':>10}{plans}")
    for count in FLAGS.candidates:
        with tempfile.TemporaryDirectory() as folder:
            print("".join(_measure(Path(folder), count)))


def score(string: LayerString) -> dict[str, float]:
    """A number that the letters decide."""
    digest = hashlib.sha256(str(string).encode()).digest()
    return {"disc_loss": int.from_bytes(digest[:4]) / 2**32}


def _measure(folder: Path, count: int) -> Iterator[str]:
    """The cells of a line."""
    generations = count // GENERATION
    settings = SearchSettings(
        population_size=GENERATION,
        num_generations=generations,
        num_mutations=GENERATION // 2,
        num_crossovers=GENERATION // 2,
    )
    config = PretrainingConfig.create("data", "study", {})
    space = settings.space(config.discriminator, config.max_seq_length)
    url = f"sqlite:///{folder}/study.db" if FLAGS.storage == "sqlite" else FLAGS.storage

    def opened() -> optuna.Study:
        return open_study(folder, f"study-{count}", space, settings, SEED, {}, url)

    _fill(opened(), space, generations * GENERATION)
    start = time.perf_counter()
    study = opened()
    open_seconds = time.perf_counter() - start
    times = []

    def timed(string: LayerString) -> dict[str, float]:
        times.append(time.perf_counter())
        return score(string)

    start = time.perf_counter()
    search(study, space, settings, timed, SEED)
    each = (time.perf_counter() - times[0]) / GENERATION
    yield f"{count:>10,}{open_seconds:>10.2f}{times[0] - start:>17.2f}{1e3 * each:>10.1f}"

    known = candidates(study)
    for sampler in SAMPLERS.values():
        rng = np.random.default_rng([SEED, generations])
        start = time.perf_counter()
        sampler(space, settings, generations, known, rng)
        yield f"{time.perf_counter() - start:>16.2f} s"


def _fill(study: optuna.Study, space: SearchSpace, count: int) -> None:
    """Stores that many candidates as if they had been scored."""
    rng = np.random.default_rng(SEED)
    for number, string in enumerate(random_strings(space, count, set(), rng)):
        generation = number // GENERATION
        record = TrialRecord.planned(space, number, Proposal(string, "random", generation))
        trial = waiting_trial(space, record)
        scores = score(string)
        trial.user_attrs = {**trial.user_attrs, "scores": scores, "seconds": 0.0}
        trial.state, trial.values = TrialState.COMPLETE, [scores["disc_loss"]]
        trial.datetime_start = trial.datetime_complete = datetime.datetime.now()
        study.add_trial(trial)


if __name__ == "__main__":
    cli.run(main)
