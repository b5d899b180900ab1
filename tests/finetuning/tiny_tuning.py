"""A data directory with a tiny model and tasks that it learns in seconds."""

import json
from pathlib import Path

import keras
import numpy as np

from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.runs.model_directory import save_preset
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

GOOD, BAD = ("fine", "great", "lovely", "good"), ("dull", "poor", "awful", "bad")
PLAIN = ("film", "the", "a", "was", "is", "plot", "and", "it", "cast", "story")
TOKENS = [*SPECIAL_TOKENS, *GOOD, *BAD, *PLAIN, "##s", "."]
NAME, LENGTH = "tiny", 24


def make_data(directory: Path, layers: str = "CAF", dropout: float = 0.1) -> Path:
    """Writes vocab.txt, a model's preset, and the tasks sst, sts, pos and squad."""
    (directory / "vocab.txt").parent.mkdir(parents=True)
    (directory / "vocab.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    keras.utils.set_random_seed(1)
    backbone = LVBertBackbone(
        len(TOKENS),
        layers,
        2,
        16,
        32,
        dropout=dropout,
        max_sequence_length=LENGTH,
        initializer_range=0.1,
    )
    save_preset((backbone, LVBertTokenizer(TOKENS)), directory / "models" / NAME / "preset", 1)
    write_sst(directory / "finetuning_data" / "sst")
    write_sts(directory / "finetuning_data" / "sts")
    write_pos(directory / "finetuning_data" / "pos")
    write_squad(directory / "finetuning_data" / "squad")
    return directory


def sentences(count: int, seed: int) -> list[tuple[str, int]]:
    """Sentences of different lengths, and whether their one opinion is a good one."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        words = [str(word) for word in random.choice(PLAIN, random.integers(2, 18))]
        label = index % 2
        words[random.integers(len(words))] = str(random.choice(GOOD if label else BAD))
        made.append((" ".join(words), label))
    return made


def write_sst(folder: Path, rows: int = 256) -> None:
    folder.mkdir(parents=True)
    for seed, split in enumerate(("train", "dev")):
        lines = [f"{text}\t{label}\n" for text, label in sentences(rows, seed)]
        (folder / f"{split}.tsv").write_text("sentence\tlabel\n" + "".join(lines))
    lines = [f"{index}\t{text}\n" for index, (text, _) in enumerate(sentences(10, 2))]
    (folder / "test.tsv").write_text("index\tsentence\n" + "".join(lines))


def write_sts(folder: Path, rows: int = 128) -> None:
    """Pairs whose likeness is 5 if their opinions agree, else 0."""
    folder.mkdir(parents=True)
    for seed, split in enumerate(("train", "dev")):
        made = sentences(2 * rows, seed + 3)
        random = np.random.default_rng(seed)
        lines = []
        for index in range(rows):
            (first, one), (second, other) = made[index], made[random.integers(2 * rows)]
            lines.append(f"{first}\t{second}\t{5.0 * (one == other)}\n")
        (folder / f"{split}.tsv").write_text("a\tb\tscore\n" + "".join(lines))


def write_pos(folder: Path, rows: int = 128) -> None:
    """Words tagged as opinions or not."""
    folder.mkdir(parents=True)
    for seed, split in enumerate(("train", "dev")):
        blocks = [
            "".join(f"{w} {'OPINION' if w in GOOD + BAD else 'OTHER'}\n" for w in text.split())
            for text, _ in sentences(rows, seed + 5)
        ]
        (folder / f"{split}.txt").write_text("\n".join(blocks))


def write_squad(folder: Path, rows: int = 48) -> None:
    """Questions for the opinion of a sentence, in SQuAD's format; a third of them without an answer."""
    folder.mkdir(parents=True)
    for seed, split in enumerate(("train", "dev")):
        paragraphs = []
        for index, (context, _) in enumerate(sentences(rows, seed + 7)):
            (opinion,) = (word for word in context.split() if word in GOOD + BAD)
            impossible = index % 3 == 2
            if impossible:
                context = " ".join(word for word in context.split() if word != opinion)
            answer = {"text": opinion, "answer_start": (context + " ").find(opinion)}
            question = {
                "id": f"{split}{index}",
                "question": "the film is",
                "answers": [] if impossible else [answer],
                "is_impossible": impossible,
            }
            paragraphs.append({"context": context, "qas": [question]})
        document = {"version": "v2.0", "data": [{"title": "films", "paragraphs": paragraphs}]}
        (folder / f"{split}.json").write_text(json.dumps(document))


def settings(*tasks: str, **changes) -> str:
    """Hparams of a run of a few dozen steps, as the command line takes them."""
    values = {
        "task_names": list(tasks),
        "max_seq_length": LENGTH,
        "num_train_epochs": 6,
        "train_batch_size": 8,
        "eval_batch_size": 16,
        "learning_rate": 5e-3,
        "layerwise_lr_decay": 1.0,
        "precision": "float32",
        "log_steps": 50,
        "bucket_by_length": False,  # shapes that are known and small are not compiled: seconds saved
    }
    return json.dumps({**values, **changes})
