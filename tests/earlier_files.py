"""Writes tests/fixtures/earlier/: records, a run, a trial and a search, for later versions to read.

  python tests/earlier_files.py DIR

It runs the command-line programs of the checkout that it stands in, so it can be copied into an
earlier one. It takes a few minutes; DIR must not exist.
"""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LENGTH = 16
GOOD, BAD = ("fine", "great", "lovely", "good"), ("dull", "poor", "awful", "bad")
PLAIN = ("film", "the", "a", "was", "is", "plot", "and", "it", "cast", "story")
ENCODER = {
    "model_hparam_overrides": {
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": LENGTH,
    },
    "embedding_size": 8,
    "generator_hidden_size": 0.5,
    "max_seq_length": LENGTH,
    "train_batch_size": 8,
    "eval_batch_size": 8,
    "num_eval_steps": 2,
    "num_warmup_steps": 2,
    "learning_rate": 5e-3,
    "precision": "float32",
}
PRETRAINING = {
    **ENCODER,
    "custom_layer_list": "CAF",
    "num_train_steps": 12,
    "save_checkpoints_steps": 6,
    "eval_every_steps": 6,
    "keep_checkpoint_max": 0,
}
FINETUNING = {
    "task_names": ["sst"],
    "max_seq_length": LENGTH,
    "train_batch_size": 16,
    "num_train_epochs": 2,
    "learning_rate": 5e-3,
    "precision": "float32",
}
SEARCH = {
    **ENCODER,
    "num_layers": 3,
    "num_train_steps": 6,
    "save_checkpoints_steps": 6,
    "population_size": 4,
    "num_generations": 2,
    "num_parents": 2,
    "num_mutations": 2,
    "num_crossovers": 2,
    "max_parameters": "unlimited",
    "max_flops": "unlimited",
    "compare_with_random": False,
}
LINES = ["a fine film", "the plot was dull and the cast poor", "it is a story"]


def sentences(count: int, seed: int) -> list[tuple[str, int]]:
    """Sentences of different lengths, and whether their one opinion is a good one."""
    generator = random.Random(seed)
    made = []
    for index in range(count):
        words = [generator.choice(PLAIN) for _ in range(generator.randint(2, 10))]
        words[generator.randrange(len(words))] = generator.choice(GOOD if index % 2 else BAD)
        made.append((" ".join(words), index % 2))
    return made


def run(program: str, stdin: str = "", **flags: object) -> subprocess.CompletedProcess[str]:
    """Runs a program of this checkout, which must succeed; returns what it prints."""
    words = [f"--{name}={json.dumps(v) if isinstance(v, dict) else v}" for name, v in flags.items()]
    command = [sys.executable, str(ROOT / f"{program}.py"), *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done


def write(directory: Path) -> None:
    """Writes a data directory with a run, a trial and a search, and expected.json."""
    data = directory / "data"
    data.mkdir(parents=True)
    corpus = directory / "corpus.txt"
    texts = [text for text, _ in sentences(800, 0)]
    corpus.write_text("\n\n".join("\n".join(texts[i : i + 8]) for i in range(0, 800, 8)))
    run(
        "build_pretraining_dataset",
        corpus_dir=corpus,
        vocab_file=data / "vocab.txt",
        learn_vocab_size=60,
        output_dir=data / "pretrain_tfrecords",
        max_seq_length=LENGTH,
        held_out_fraction=0.1,
        num_shards=1,
    )
    task = data / "finetuning_data" / "sst"
    task.mkdir(parents=True)
    for seed, split in enumerate(("train", "dev")):
        rows = [f"{text}\t{label}\n" for text, label in sentences(64, seed)]
        (task / f"{split}.tsv").write_text("sentence\tlabel\n" + "".join(rows))

    where = {"data_dir": data, "model_name": "run"}
    run("run_pretraining", **where, hparams=PRETRAINING)
    run("run_finetuning", **where, hparams=FINETUNING)
    answers = run("run_finetuning", "\n".join(LINES), **where, hparams=FINETUNING, predict="-")
    run("run_search", data_dir=data, search_name="search", hparams=SEARCH)
    search = data / "searches" / "search"
    expected = {
        "evaluation": json.loads((data / "models" / "run" / "eval.json").read_text()),
        "answers": [json.loads(line) for line in answers.stdout.splitlines()],
        "best": (search / "best.toml").read_text(),
    }
    (directory / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")

    # === As if each had been killed half-way ===
    shutil.rmtree(data / "models" / "run" / "checkpoints" / "step-00000012")
    shutil.rmtree(data / "models" / "run" / "preset")
    journal = search / "study.journal"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[: len(lines) // 2]))
    for path in (search / "best.toml", search / "report.html", search / "report.json", corpus):
        path.unlink()
    for path in directory.rglob("tensorboard"):
        shutil.rmtree(path)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
