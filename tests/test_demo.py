import gzip
import json
import signal

import pytest
from absl import flags

import demo
from examples import movie_reviews
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.held_out_split import is_held_out

FIGURES = {
    "examples": 1280.0,
    "commonest_token": "the",
    "mlm_accuracy": 0.3214,
    "baseline_mlm_accuracy": 0.0716,
    "disc_auc": 0.7149,
    "baseline_disc_auc": 0.5,
}


def test_the_table_puts_baselines_beside_the_model():
    lines = demo.held_out_table(FIGURES).splitlines()
    assert "1,280 examples" in lines[0]
    assert lines[2].startswith("masked LM accuracy")
    assert lines[2].split()[3:] == ["0.321", "0.072", "always", "guessing", "'the'"]
    assert lines[3].split()[:5] == ["replaced", "token", "AUC", "0.715", "0.500"]


def test_replaced_sentences_differ_word_by_word():
    for original, changed in demo.REPLACED:
        pairs = list(zip(original.split(), changed.split(), strict=True))
        assert 1 <= sum(before != after for before, after in pairs) <= 3


def test_no_sentence_is_met_before_it_is_held_out(tmp_path):
    movie_reviews.write_task(tmp_path)
    movie_reviews.write_corpus(tmp_path / "reviews.txt")
    task = find_task(movie_reviews.TASK, tmp_path)
    train, dev = (
        {example.text for example in task.read(split).examples} for split in ("train", "dev")
    )
    read = set((tmp_path / "reviews.txt").read_text().splitlines())
    assert (len(train), len(dev)) == (2208, 1055)
    assert train < read and not dev & read

    # Nor are the reviews among what pre-training is evaluated on: their copies are trained on.
    corpus = Corpus(f"{demo.ROOT / demo.CORPUS},{tmp_path / 'reviews.txt'}")
    documents = sum(starts for starts, _ in corpus.read())
    assert documents == 249 + 8
    assert not any(is_held_out(document, 0.05, seed=1) for document in range(249, documents))
    assert sum(is_held_out(document, 0.05, seed=1) for document in range(249)) == 13


@pytest.mark.slow
def test_the_demos_run_and_a_second_one_finds_everything_done(tmp_path, monkeypatch, capfd):
    hparams = {
        "custom_layer_list": "CAF",
        "model_hparam_overrides": {"hidden_size": 16, "max_position_embeddings": 64},
        "embedding_size": 16,
        "vocab_size": 400,
        "max_seq_length": 64,
        "num_train_steps": 2,
        "num_warmup_steps": 1,
        "train_batch_size": 4,
        "eval_batch_size": 4,
        "num_eval_steps": 2,
    }
    words = [f"{a}{b}{c}" for a in "bdg" for b in "aeiou" for c in "lmnrst"]
    documents = (
        " ".join(words[(i * 7 + j * 3) % len(words)] for j in range(300)) for i in range(40)
    )
    (tmp_path / "corpus.txt").write_text("\n\n".join(documents), encoding="utf-8")
    monkeypatch.setattr(demo, "CORPUS", str(tmp_path / "corpus.txt"))
    monkeypatch.setattr(demo, "HPARAMS", json.dumps(hparams))
    monkeypatch.setattr(demo, "VOCABULARY_SIZE", 400)
    tuning = {
        "task_names": ["movie_reviews"],
        "max_seq_length": 32,
        "num_train_epochs": 0.5,
        "bucket_by_length": False,
    }
    (tmp_path / "tuning.json").write_text(json.dumps(tuning))
    monkeypatch.setattr(demo, "FINETUNE_HPARAMS", str(tmp_path / "tuning.json"))
    with gzip.open(movie_reviews.DATA, "rt", encoding="utf-8") as file:
        header, *rows = file.readlines()
    with gzip.open(tmp_path / "reviews.tsv.gz", "wt", encoding="utf-8") as file:
        file.writelines([header, *rows[::50]])
    monkeypatch.setattr(movie_reviews, "DATA", tmp_path / "reviews.tsv.gz")
    flags.FLAGS(["demo.py", "--output_dir", str(tmp_path / "output")])

    assert demo.main() == 0
    printed = capfd.readouterr().out
    evaluation = json.loads((tmp_path / "output" / "models" / "demo" / "eval.json").read_text())
    table = demo.held_out_table(evaluation)
    for part in ("build_pretraining_dataset.py", table, "[MASK]", "* bread", "  Congress"):
        assert part in printed
    for part in (
        "LV-BERT, pre-trained",
        "LV-BERT, from scratch",
        "bag of words",
        "commonest class",
    ):
        assert part in printed
    curves = (tmp_path / "output" / "models" / "demo" / "metrics.jsonl").read_text()

    assert demo.main() == 0
    assert "is there already" in capfd.readouterr().out
    assert (tmp_path / "output" / "models" / "demo" / "metrics.jsonl").read_text() == curves

    search = {"num_layers": 3, "population_size": 4, "num_generations": 1, "num_mutations": 2}
    del hparams["custom_layer_list"]
    monkeypatch.setattr(demo, "SEARCH_HPARAMS", json.dumps({**hparams, **search}))
    flags.FLAGS(["demo.py", "--search", "--output_dir", str(tmp_path / "output")])
    assert demo.main() == 0
    assert "best of the search" in capfd.readouterr().out
    assert (tmp_path / "output" / "searches" / "demo" / "report.html").exists()
    flags.FLAGS(["demo.py", "--nosearch"])


def test_the_demo_stops_with_the_code_of_the_program_that_failed(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(demo, "CORPUS", str(tmp_path / "missing"))
    flags.FLAGS(["demo.py", "--output_dir", str(tmp_path / "output")])
    assert demo.main() == 2
    printed = capfd.readouterr()
    assert "missing" in printed.err
    assert "pre-training ===" not in printed.out
    assert not (tmp_path / "output" / "models").exists()


def test_a_stopped_training_stops_the_demo(tmp_path, monkeypatch, capsys):
    statuses = iter([0, 143])
    monkeypatch.setattr(demo, "_run", lambda *arguments: next(statuses))
    flags.FLAGS(["demo.py", "--output_dir", str(tmp_path)])
    assert demo.main() == 143
    printed = capsys.readouterr()
    assert "stopped; the same command continues" in printed.err
    assert "what it has learned" not in printed.out


@pytest.mark.parametrize(("whom", "code"), [("getpid()", 137), ("getppid()", 143)])
def test_a_killed_program_has_the_code_that_a_shell_reports(whom, code):
    """The program kills itself; then it terminates the demo, which terminates the program."""

    def ignore(number, frame):
        """A demo that does not pass a termination on must not end the tests."""

    program = (
        f"import os, time\nfor _ in range(50): os.kill(os.{whom}, {code - 128}); time.sleep(0.1)"
    )
    before = signal.signal(signal.SIGTERM, ignore)
    try:
        assert demo._run("-c", program) == code
        assert signal.getsignal(signal.SIGTERM) is ignore
    finally:
        signal.signal(signal.SIGTERM, before)
