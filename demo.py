"""Pre-trains a small LV-BERT on the State of the Union addresses, and fine-tunes it on film reviews.

  python demo.py             (make demo installs what is needed first)
  python demo.py --search    (make demo-search)

Runs the programs of the real workflow. Pre-training, with configs/demo.toml, on data/sotu.jsonl.gz and
on sentences of data/movie_reviews.tsv.gz without their labels: it prints the held-out metrics beside
trivial baselines, fills masks and flags replaced words. Then fine-tuning, with
configs/finetune_demo.toml, on a fifth of the sentences with their labels, from the pre-trained model
and from random weights: it prints both beside baselines. The fine-tuned model is exported, and the
SavedModel is asked about sentences. With --search, looks for a layer string
with configs/search_demo.toml instead. Everything goes to demo_output/. What an earlier run has
finished there is kept and a run that was stopped continues; remove demo_output/ to start from nothing.
"""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from examples import movie_reviews
from lvbert_tf import cli
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.settings.user_hparams import load_hparams

ROOT = Path(__file__).resolve().parent
CORPUS, OUTPUT = "data/sotu.jsonl.gz", "demo_output"
HPARAMS, SEARCH_HPARAMS = "configs/demo.toml", "configs/search_demo.toml"
FINETUNE_HPARAMS = "configs/finetune_demo.toml"
NAME, VOCABULARY_SIZE, LENGTH = "demo", 4096, 64
FROM_SCRATCH = "demo_from_scratch"

# Written for the demo; no address has them.
GAPS = (
    "The Congress of the United [MASK] has passed a law.",
    "The President of the [MASK] States has signed it.",
    "It is the duty [MASK] the Government to protect the people.",
)
# (as written, with words replaced)
REPLACED = (
    (
        "The Congress of the United States has passed a law.",
        "The Congress of the United bread has passed a law.",
    ),
    (
        "The report of the Secretary of the Navy is before you.",
        "The report of the Secretary of the of is before you.",
    ),
)
# What the exported model is asked.
OPINIONS = (
    "A warm, funny and beautifully acted film.",
    "The plot is a mess and the jokes are not funny.",
)
_BAR_WIDTH = 30

flags.DEFINE_bool("search", False, "Search for a layer string instead of pre-training.")
cli.define_path("output_dir", OUTPUT, "Where everything goes, below the project's directory.")


def main() -> int:
    """Runs the demo; returns the exit code of the first program that did not finish."""
    output, shown = ROOT / flags.FLAGS.output_dir, flags.FLAGS.output_dir
    demonstrate = _search if flags.FLAGS.search else _pretrain
    status = _build_records(output, shown) or demonstrate(output, shown)
    if status:
        print("stopped; the same command continues", file=sys.stderr)
    return status


def _build_records(output: Path, shown: str) -> int:
    _headline("vocabulary and records")
    if (output / "pretrain_tfrecords" / "manifest.json").exists():
        print(f"{shown}/pretrain_tfrecords is there already")
        return 0
    movie_reviews.write_corpus(output / "reviews.txt")
    return _run(
        *("build_pretraining_dataset.py", "--corpus_dir", f"{CORPUS},{shown}/reviews.txt"),
        *("--vocab_file", f"{shown}/vocab.txt", "--learn_vocab_size", VOCABULARY_SIZE),
        *("--output_dir", f"{shown}/pretrain_tfrecords", "--max_seq_length", LENGTH),
        # With this seed addresses alone are held out.
        *("--num_processes", 2, "--held_out_fraction", 0.05, "--seed", 1),
    )


def _pretrain(output: Path, shown: str) -> int:
    _headline("pre-training")
    status = _run(
        *("run_pretraining.py", "--data_dir", shown, "--model_name", NAME, "--hparams", HPARAMS)
    )
    if status:
        return status

    _headline("what it has learned")
    model_dir = output / "models" / NAME
    print(held_out_table(json.loads((model_dir / "eval.json").read_text(encoding="utf-8"))))
    _look_at(model_dir)
    return _finetune(output, shown)


def _finetune(output: Path, shown: str) -> int:
    _headline("fine-tuning: is a sentence of a film review friendly?")
    movie_reviews.write_task(output)
    hparams = load_hparams(str(ROOT / FINETUNE_HPARAMS))
    starts = {
        NAME: {},
        FROM_SCRATCH: {
            "init_checkpoint": f"{{data_dir}}/models/{NAME}/preset",
            "from_scratch": True,
        },
    }
    for name, changes in starts.items():
        status = _run(
            *("run_finetuning.py", "--data_dir", shown, "--model_name", name),
            *("--hparams", json.dumps({**hparams, **changes})),
        )
        if status:
            return status
    accuracies = movie_reviews.baselines(output)
    for name, what in ((NAME, "LV-BERT, pre-trained"), (FROM_SCRATCH, "LV-BERT, from scratch")):
        results = output / "models" / name / "results" / f"{movie_reviews.TASK}_results.json"
        summary = json.loads(results.read_text(encoding="utf-8"))["summary"]
        accuracies[what] = summary[movie_reviews.TASK]["dev"]["accuracy"]["median"]
    print("\nAccuracy on sentences that none of them was trained on, in percent:\n")
    for what, accuracy in sorted(accuracies.items(), key=lambda item: item[1]):
        print(f"  {what:36}{accuracy:6.1f}")
    print(f"\nThe curves: .venv/bin/tensorboard --logdir {shown}/models")
    return _serve(output, shown)


def _serve(output: Path, shown: str) -> int:
    _headline("a SavedModel to serve")
    versions = output / "serving" / movie_reviews.TASK
    if not (versions / "1").exists():
        status = _run(
            *("export_saved_model.py", "--model_dir"),
            f"{shown}/models/{NAME}/finetuning_models/{movie_reviews.TASK}_1",
            *("--output_dir", f"{shown}/serving/{movie_reviews.TASK}"),
            *("--license", "Apache-2.0; trained on texts in the public domain and under MIT"),
        )
        if status:
            return status
    import_tensorflow()
    import tensorflow as tf

    ask = tf.saved_model.load(str(versions / "1")).signatures["serving_default"]
    answers = ask(text=tf.constant(OPINIONS))
    print("\nTensorFlow alone, without this project's code, asks it:\n")
    for text, label, likely in zip(
        OPINIONS, answers["label"].numpy(), answers["probabilities"].numpy(), strict=True
    ):
        print(f"  {text:50}{label.decode():>12}{likely.max():6.0%}")
    print("\ndocs/serving.md shows how to serve it.")
    return 0


def _search(output: Path, shown: str) -> int:
    _headline("supernet, search and report")
    status = _run(
        *("run_search.py", "--data_dir", shown, "--search_name", NAME, "--hparams", SEARCH_HPARAMS)
    )
    if status:
        return status
    print(f"\nLook at it in a browser: {output / 'searches' / NAME / 'report.html'}")
    return 0


def held_out_table(metrics: Mapping[str, Any]) -> str:
    """The held-out metrics beside what knowing nothing would score."""
    guess = f"always guessing {metrics['commonest_token']!r}"
    rows = (
        ("masked LM accuracy", "mlm_accuracy", "baseline_mlm_accuracy", guess),
        ("replaced token AUC", "disc_auc", "baseline_disc_auc", "guessing at random"),
    )
    lines = [
        f"On {metrics['examples']:,.0f} examples from addresses that it was not trained on:",
        f"{'':20}{'model':>8}{'baseline':>10}",
    ]
    lines += [
        f"{name:20}{metrics[model]:8.3f}{metrics[baseline]:10.3f}  {what}"
        for name, model, baseline, what in rows
    ]
    return "\n".join(lines)


def _look_at(model_dir: Path) -> None:
    import_tensorflow()
    from lvbert_tf.pretraining.inspection import fill_masks, flag_replacements
    from lvbert_tf.runs.loaded_model import load_pretrained

    model = load_pretrained(model_dir)
    print("\nThe generator fills gaps:")
    for text in GAPS:
        print(f"\n  {text}")
        for candidates in fill_masks(model, text):
            print("    " + "   ".join(f"{c.token} {c.probability:.0%}" for c in candidates))
    print("\nThe discriminator flags words that were replaced (marked with *):")
    for original, changed in REPLACED:
        print(f"\n  {original}")
        flagged = flag_replacements(model, changed)
        largest = max(word.probability for word in flagged)
        for before, word in zip(original.split(), flagged, strict=True):
            mark = "*" if word.word != before else " "
            bar = "█" * round(_BAR_WIDTH * word.probability / largest)
            print(f"   {mark} {word.word:12} {word.probability:4.0%} {bar}")


def _headline(text: str) -> None:
    print(f"\n=== {text} ===", flush=True)


def _run(*arguments: object) -> int:
    """Prints and runs a program of the project, which handles signals itself; its exit code."""
    command = [str(argument) for argument in arguments]
    print("$ python " + shlex.join(command), flush=True)
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT)
    previous = {
        # A terminal sends its interrupt to the program as well; a termination reaches only us.
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
    }
    try:
        status = process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status  # killed: as a shell reports it


if __name__ == "__main__":
    cli.run(main)
