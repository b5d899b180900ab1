"""The whole workflow with every path in a bucket, as processes of the programs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import tiny_run

sys.path += [str(Path(__file__).parent / room) for room in ("search", "finetuning")]
import tiny_search
import tiny_tuning

from lvbert_tf.io.bucket_directories import is_half_written, is_whole, local_copy
from lvbert_tf.io.paths import BucketPath
from lvbert_tf.training.checkpoints import step_paths

ROOT = Path(__file__).parents[1]
STEPS = 40
# The vocabulary is learned from the corpus, so its size comes from its file.
PRETRAINING = {
    **{key: value for key, value in tiny_run.hparams().items() if key != "vocab_size"},
    "allow_missing_manifest": False,
    "num_train_steps": STEPS,
    "save_checkpoints_steps": 10,
    "eval_every_steps": 20,
    "iterations_per_loop": 1,
}
TUNING = {
    "task_names": ["sst"],
    "num_trials": 1,
    "num_train_epochs": 1,
    "max_seq_length": tiny_run.LENGTH,
    "train_batch_size": 32,
    "write_test_outputs": True,
}


def run(program: str, *arguments: object, status: int = 0) -> str:
    """Runs a program to its end; returns what it printed."""
    command = [sys.executable, f"{program}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def check_workflow(bucket: BucketPath, tmp_path: Path) -> None:
    """Builds, pre-trains, kills and continues, fine-tunes, predicts, searches, exports, converts."""
    data = bucket / "data"
    build(bucket, data)
    pretrain_killed_once(data)
    tune(data, tmp_path)
    search(data)
    serve(bucket, data)
    convert(bucket, data)
    left = [name for name in bucket.objects() if name.endswith((".lease", ".lock"))]
    assert left == [] and not [name for name in os.listdir(ROOT) if name.startswith(("gs:", "s3:"))]


def build(bucket: BucketPath, data: BucketPath) -> None:
    for part in range(3):
        texts = (text for text, _ in tiny_tuning.sentences(60, part))
        (bucket / "corpus" / f"{part}.txt").write_text("\n\n".join(texts) + "\n")
    told = run(
        "build_pretraining_dataset",
        *("--corpus_dir", bucket / "corpus", "--vocab_file", data / "vocab.txt"),
        *("--output_dir", data / "pretrain_tfrecords", "--learn_vocab_size", 100),
        *("--max_seq_length", tiny_run.LENGTH, "--held_out_fraction", 0.2),
    )
    assert f"written to {data}/pretrain_tfrecords" in told
    assert is_whole(data / "pretrain_tfrecords")


def pretrain_killed_once(data: BucketPath) -> None:
    model = data / "models" / "m"
    arguments = ("--data_dir", data, "--model_name", "m", "--hparams", json.dumps(PRETRAINING))
    process = subprocess.Popen(
        [sys.executable, "run_pretraining.py", *map(str, arguments)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    while not step_paths(model / "checkpoints"):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begun = step_paths(model / "checkpoints")[-1].name
    told = run("run_pretraining", *arguments)
    assert begun == f"step-{STEPS:08d}" or f"from step {int(begun[5:])} to {STEPS}" in told
    assert step_paths(model / "checkpoints")[-1].name == f"step-{STEPS:08d}"
    assert is_whole(model / "preset") and not any(map(is_half_written, model.iterdir()))
    steps = [
        json.loads(line)["step"] for line in (model / "metrics.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps) and steps[-1] == STEPS


def tune(data: BucketPath, tmp_path: Path) -> None:
    tiny_tuning.write_sst(tmp_path / "sst", rows=64)
    files = (tmp_path / "sst").iterdir()
    data.upload({file: f"finetuning_data/sst/{file.name}" for file in files})
    arguments = ("--data_dir", data, "--model_name", "m", "--hparams", json.dumps(TUNING))
    told = run("run_finetuning", *arguments)
    model = data / "models" / "m"
    assert is_whole(model / "finetuning_models" / "sst_1" / "presets" / "sst")
    assert json.loads((model / "results" / "sst_results.json").read_bytes())["trials"]
    assert f"{model}/results/glue_submission.zip" in told
    result = (model / "finetuning_models" / "sst_1" / "result.json").read_bytes()
    run("run_finetuning", *arguments)
    assert (model / "finetuning_models" / "sst_1" / "result.json").read_bytes() == result
    (data / "lines.txt").write_text("the film was great\nthe plot was awful\n")
    run("run_finetuning", *arguments, "--predict", data / "lines.txt", "--output", data / "answers")
    answers = list(map(json.loads, (data / "answers").read_text().splitlines()))
    assert len(answers) == 2 and {"label"} <= answers[0].keys()
    told = run(
        "run_finetuning", *arguments, "--predict", data / "none", "--output", data / "x", status=2
    )
    last = told.strip().splitlines()[-1]
    assert last.startswith("error: ") and f"{data}/none" in last


def search(data: BucketPath) -> None:
    hparams = json.loads(tiny_search.hparams_json())
    hparams = {key: value for key, value in hparams.items() if key != "vocab_size"}
    arguments = ("--data_dir", data, "--search_name", "s", "--hparams", json.dumps(hparams))
    told = run("run_search", *arguments)
    directory = data / "searches" / "s"
    assert f"written to {directory}" in told and (directory / "best.toml").exists()
    scored = (directory / "candidates.csv").read_bytes()
    run("run_search", *arguments)
    assert (directory / "candidates.csv").read_bytes() == scored
    lines = (directory / "study.journal").read_bytes().splitlines()
    assert len(lines) > tiny_search.CANDIDATES and all(map(json.loads, lines))


def serve(bucket: BucketPath, data: BucketPath) -> None:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401 - the operations of the tokenizer

    trial = data / "models" / "m" / "finetuning_models" / "sst_1"
    for version in (1, 2):
        told = run(
            "export_saved_model", "--model_dir", trial, "--output_dir", bucket / "serving" / "sst"
        )
        assert f"{bucket}/serving/sst/{version}" in told
    with local_copy(bucket / "serving" / "sst" / "2") as copy:
        model = tf.saved_model.load(str(copy))
        answer = model.signatures["serving_default"](text=tf.constant(["a fine film"]))
    assert all(len(values) == 1 for values in answer.values())


def convert(bucket: BucketPath, data: BucketPath) -> None:
    there, back = bucket / "huggingface", bucket / "back"
    model = data / "models" / "m"
    run(
        "convert_checkpoint",
        *("--from", "preset", "--to", "huggingface", "--input", model, "--output", there),
    )
    told = run(
        "convert_checkpoint",
        *("--from", "huggingface", "--to", "preset", "--input", there, "--output", back),
    )
    assert f"written to {back}" in told and is_whole(back) and is_whole(there)
