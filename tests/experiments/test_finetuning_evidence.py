"""The parts of `experiments/finetuning_quality.py`, on rows written here."""

import json

import pytest

from experiments.finetuning import baselines, experiment, sources
from experiments.finetuning.experiment import STARTS, Finetuning, TaskPlan
from experiments.finetuning.report import (
    finetuning_table,
    gain_of,
    median,
    pretraining_table,
)
from experiments.finetuning.results import FinetuningResults, trial_file
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.task_examples import Question, RowLocation, TaggedSentence, TextExample
from lvbert_tf.finetuning.tasks.registry import find_task

HERE = RowLocation("here", 1)


@pytest.mark.parametrize(
    ("tag", "simple"),
    [
        ("nn", "nn"),
        ("np$-tl", "np"),
        ("ppss+md", "ppss"),
        ("fw-nn-tl", "fw"),
        ("md*", "md"),
        ("*", "*"),
        (".-hl", "."),
        ("--", "--"),
        ("``", "``"),
        ("(", "("),
    ],
)
def test_simple_tags(tag, simple):
    assert sources.simple_tag(tag) == simple


def test_documents_of_the_brown_corpus():
    lines = ["# file ca01 genre news", "The at", "Jury nn-tl", "", "It pps", ""]
    lines += ["# file ca02 genre news", "is* bez*", ""]
    assert list(sources.brown_documents(lines)) == [
        [["The at", "Jury nn"], ["It pps"]],
        [["is* bez"]],
    ]


def test_parts_are_drawn_alike_and_apart():
    items = list(range(100))
    dev, train = sources.divide(items)
    assert (len(dev), len(train)) == (10, 90)
    assert sorted(dev + train) == items
    assert sources.divide(items) == (dev, train)
    drawn = sources.some(items, 30)
    assert drawn == sorted(drawn) and len(set(drawn)) == 30
    assert drawn != items[:30]
    assert sources.some(items, 1000) == items


def test_some_questions_keep_their_paragraphs(squad):
    document = squad(num_paragraphs=20, num_questions=3)
    part = sources.some_questions(document, 5)
    (article,) = part["data"]
    questions = [q["id"] for paragraph in article["paragraphs"] for q in paragraph["qas"]]
    assert len(set(questions)) == len(questions) == 5
    assert part["version"] == "1.1"
    for paragraph in article["paragraphs"]:
        number = paragraph["context"].removeprefix("a ")
        assert paragraph["qas"] and all(q["id"].startswith(f"{number}-") for q in paragraph["qas"])
    assert len(document["data"][0]["paragraphs"]) == 20


@pytest.mark.parametrize("plan", experiment.TASKS, ids=lambda plan: plan.name)
def test_every_task_can_be_read(published, tmp_path, plan):
    """As many examples as the plan says, and none of evaluation among those to train on."""
    few = TaskPlan(plan.name, plan.title, num_train=15, num_dev=4)
    sources.lay_out(few, published, tmp_path / "finetuning_data" / plan.name)
    task = find_task(plan.name, tmp_path)
    train, dev = (task.read(split).examples for split in ("train", "dev"))
    assert (len(train), len(dev)) == (15, min(4, len(dev)))
    assert len(dev) >= 3
    if plan.name == "sentiment":
        assert not {e.text for e in train} & {e.text for e in dev}
    before = (tmp_path / "finetuning_data" / plan.name).stat().st_mtime_ns
    sources.lay_out(few, tmp_path / "nowhere", tmp_path / "finetuning_data" / plan.name)
    assert (tmp_path / "finetuning_data" / plan.name).stat().st_mtime_ns == before


def test_a_missing_source_is_named(tmp_path):
    plan = TaskPlan("cola", "CoLA", 1, 1)
    with pytest.raises(InputError, match=r"cola: .*glue/CoLA/train\.tsv: No such file"):
        sources.lay_out(plan, tmp_path, tmp_path / "finetuning_data" / "cola")
    assert not (tmp_path / "finetuning_data" / "cola").exists()


def test_commonest_tags():
    """Of 5 words 3 are nn; `run` was seen as vb twice and as nn once, `x` never."""
    task = find_task("pos", "unused")
    train = [
        TaggedSentence(("Run", "Run", "the"), ("vb", "vb", "at"), HERE),
        TaggedSentence(("RUN", "dog", "cat", "bird"), ("nn", "nn", "nn", "nn"), HERE),
    ]
    dev = [TaggedSentence(("run", "the", "x", "dog", "x"), ("vb", "at", "nn", "nn", "nn"), HERE)]
    found = baselines.of_tags(task, train, dev)
    assert found["trivial"]["accuracy"] == pytest.approx(60)
    assert found["words"]["accuracy"] == pytest.approx(100)


def test_bags_of_words_tell_what_words_tell():
    """A word decides the class, and of pairs whether both have the same words."""
    cola, mrpc = find_task("cola", "unused"), find_task("mrpc", "unused")
    words = ["good", "bad"]
    train = [TextExample(f"a {words[i % 2]} film {i % 7}", None, i % 2, HERE) for i in range(60)]
    found = baselines.of_classes(cola, train, train[:10])
    assert (found["trivial"]["mcc"], found["words"]["mcc"]) == (0.0, 100.0)
    names = ["anna", "otto", "emil"]
    pairs = [
        TextExample(f"{names[i % 3]} ran", f"{names[(i + (i % 2)) % 3]} ran", 1 - i % 2, HERE)
        for i in range(60)
    ]
    found = baselines.of_classes(mrpc, pairs, pairs[:12])
    assert found["trivial"]["accuracy"] == 50.0
    assert found["words"]["accuracy"] == 100.0


def test_bags_of_words_tell_numbers(published, tmp_path):
    plan = TaskPlan("sentiment", "sentiment", 10, 10)
    sources.lay_out(plan, published, tmp_path / "finetuning_data" / "sentiment")
    task = find_task("sentiment", tmp_path)
    train = [
        TextExample(f"{'very ' * (i % 2)}good {i % 5}", None, 1.0 + i % 2, HERE) for i in range(40)
    ]
    found = baselines.of_numbers(task, train, train[:10])
    assert found["trivial"]["pearson"] == 0.0
    assert found["trivial"]["mse"] == pytest.approx(0.25)
    assert found["words"]["pearson"] > 95


def test_sentences_that_answer():
    context = "It rained. The old dog of Anna barked at noon! Then it slept."
    question = Question("1", "When did Anna's dog bark at us?", context, ("noon",), (), False, HERE)
    assert baselines.likest_sentence(question) == "The old dog of Anna barked at noon!"
    found = baselines.of_answers(find_task("squadv1", "unused"), [], [question])
    assert found["trivial"] == {"exact_match": 0.0, "f1": 0.0}
    # "old dog of anna barked at noon" without the article: 1 of 7 words, and the answer's only one.
    assert found["words"]["f1"] == pytest.approx(100 * 2 / 8)


@pytest.fixture
def results(tmp_path):
    for finetuning in experiment.finetunings():
        task, start = finetuning.task.name, finetuning.start
        for trial in range(1, experiment.NUM_TRIALS + 1):
            value = 60.0 + trial + (10 if start == STARTS[0] else 0)
            path = trial_file(tmp_path, finetuning, trial)
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"figures": {task: {"dev": {"metric": value}}}}))
    for number, model in enumerate(experiment.MODELS):
        (tmp_path / "models" / model).mkdir(exist_ok=True)
        held_out = {"mlm_loss": 4.0 + number, "mlm_accuracy": 0.3, "baseline_mlm_accuracy": 0.07}
        (tmp_path / "models" / model / "eval.json").write_text(json.dumps(held_out))
    return FinetuningResults(tmp_path)


def test_table_of_fine_tuning(results):
    """Medians of 61..65 and 71..75; the differences of every seed are 10."""
    metrics = dict.fromkeys(experiment.TASKS, "metric")
    simple = {
        plan.name: {"trivial": {"metric": 50.0}, "words": {"metric": 62.5}} for plan in metrics
    }
    lines = finetuning_table(results, simple, metrics).splitlines()
    assert len(lines) == 2 + len(experiment.TASKS) * len(experiment.MODELS)
    first = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert first[:5] == ["Brown POS", "metric", "50.0", "62.5", "LV-BERT"]
    assert first[5].startswith("73.0 (71.0 to 75.0)")
    assert first[6].startswith("63.0 (61.0 to 65.0)")
    assert first[7] == "10.0 (10.0 to 10.0)"


def test_a_run_that_is_not_complete_has_no_difference(results):
    last = Finetuning(experiment.TASKS[0], "lv_bert", STARTS[1])
    for trial in range(1, experiment.NUM_TRIALS + 1):
        trial_file(results.output_dir, last, trial).unlink()
    metrics = {last.task: "metric"}
    simple = {last.task.name: {"trivial": {"metric": 0.0}, "words": {"metric": 0.0}}}
    line = finetuning_table(results, simple, metrics).splitlines()[2]
    assert line.endswith("| 73.0 (71.0 to 75.0) |  |  |")


def test_table_of_pretraining(results):
    lines = pretraining_table(results).splitlines()
    assert lines[2] == "| LV-BERT | CCAFFACFFACCAFCFACFCAAFA | 4.000 | 0.300 |"
    assert lines[3].startswith("| AF x 12 | AFAFAFAFAFAFAFAFAFAFAFAF | 5.000 |")
    assert lines[4] == "| commonest token |  |  | 0.070 |"


def test_medians_and_their_differences():
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = median(values)
    assert (found.value, found.low) == (3.0, 1.0)
    # Seeds go together: the same rows are drawn of both.
    assert gain_of([value + 1 for value in values], values).low == 1.0


def test_both_models_are_trained_alike():
    for first, second in zip(
        (f for f in experiment.finetunings() if f.model == "lv_bert"),
        (f for f in experiment.finetunings() if f.model == "af"),
        strict=True,
    ):
        differing = {key for key in first.hparams if first.hparams[key] != second.hparams[key]}
        assert differing == {"init_checkpoint"}
    names = [(f.model_name, f.task.name) for f in experiment.finetunings()]
    assert len(set(names)) == len(names)
