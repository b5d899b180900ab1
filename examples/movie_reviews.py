"""The demo's task, whether a sentence of a film review is friendly: its files, and baselines."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Reading
from lvbert_tf.io.whole import replace_file

DATA = Path(__file__).resolve().parents[1] / "data" / "movie_reviews.tsv.gz"
TASK = "movie_reviews"
# Of a hundred sentences, by a hash of their identifiers:
_HELD_OUT = 10  # are held out
_LABELLED = 20  # may be learned from with their labels; all but those held out without
_COPIES = 8  # in the corpus, so that a third of what is pre-trained on are reviews

_TASK_TOML = """\
kind = "classification"
labels = ["unfriendly", "friendly"]

[files]
train = "train.tsv"
dev = "dev.tsv"

[columns]
text = "text"
label = "label"
"""


def write_corpus(path: Path) -> None:
    """Writes the sentences that are not held out, without labels, as a corpus of 8 equal documents."""
    texts = "".join(f"{text}\n" for part, _, text in _sentences() if part >= _HELD_OUT)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, "\n".join([texts] * _COPIES))


def write_task(data_dir: Path) -> None:
    """Writes `finetuning_data/movie_reviews/`: train.tsv, dev.tsv and the task.toml that describes them.

    A sentence is friendly if people rated it above zero on average.
    """
    lines: dict[str, list[str]] = {"train": [], "dev": []}
    for part, score, text in _sentences():
        if part < _HELD_OUT + _LABELLED:
            label = "friendly" if score > 0 else "unfriendly"
            lines["dev" if part < _HELD_OUT else "train"].append(f"{text}\t{label}\n")
    folder = data_dir / "finetuning_data" / TASK
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in lines.items():
        replace_file(folder / f"{split}.tsv", "text\tlabel\n" + "".join(rows))
    replace_file(folder / "task.toml", _TASK_TOML)


def baselines(data_dir: Path) -> dict[str, float]:
    """Accuracy in percent on the held-out sentences, by name, of models that know no word order."""
    # Not at the top: importing scikit-learn takes longer than the rest of --help.
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    task = find_task(TASK, data_dir)
    texts, labels = _columns(task.read("train"))
    held_out, answers = _columns(task.read("dev"))
    models = {
        "the commonest class": DummyClassifier(strategy="most_frequent"),
        "bag of words, logistic regression": make_pipeline(
            CountVectorizer(), LogisticRegression(max_iter=1000)
        ),
    }
    return {
        name: 100.0 * model.fit(texts, labels).score(held_out, answers)
        for name, model in models.items()
    }


def _sentences() -> Iterator[tuple[int, float, str]]:
    """Yields (0 to 99 by a hash of the identifier, score, text)."""
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        next(file)  # the header
        for line in file:
            identifier, score, text = line.rstrip("\n").split("\t")
            yield zlib.crc32(identifier.encode()) % 100, float(score), text


def _columns(reading: Reading) -> tuple[list[str], list[int]]:
    return [e.text for e in reading.examples], [e.label for e in reading.examples]
