"""GLUE's tasks, one row each: files, columns, labels, metrics, TFDS, and the tables of a submission.

Any classification or regression task in tab-separated files can be a row; docs/tasks.md shows how.

The files are the original ones: tab-separated, without quotation marks, most with a header, in
`train.tsv`, `dev.tsv` and `test.tsv` (mnli has more). A `TextFile` gives its role and the columns of
text, second text and label. Columns are numbers from 0, because their names differ from file to file.
Negative ones count from the end, for sts and mnli as in the reference. Only the test file of sts has
its columns by name: counted from the end, as in the reference, they would be wrong for a test file with
labels.

TFDS gives classes names where some of the files have numbers, and has its own order of the classes, so
they are mapped by name. It stores GLUE's rows shuffled, with their place in the original file as `idx`.
"""

from collections.abc import Mapping

from lvbert_tf.finetuning.tasks.text_examples import ClassLabels, LabelRange
from lvbert_tf.finetuning.tasks.text_tasks import SubmissionTable, TextFile, TextTask
from lvbert_tf.finetuning.tasks.tfds_rows import TfdsDataset, same_splits


def _files(train: TextFile, test: TextFile) -> dict[str, TextFile]:
    """The files of a task whose dev file has the columns of its train file."""
    dev = TextFile("dev", train.text, train.text_pair, train.label, train.header)
    return {"train": train, "dev": dev, "test": test}


def _dataset(
    config: str, *texts: str, splits: Mapping[str, str] | None = None, **classes: str
) -> TfdsDataset:
    """A dataset of TFDS's `glue`.

    Args:
      config: the name of the task in TFDS.
      *texts: the TFDS feature of the text, or the two features of a pair of texts.
      splits: our split -> TFDS's split, if TFDS has others than train, validation and test.
      **classes: TFDS's name of a class -> its name in the files, where the two differ.
    """
    return TfdsDataset(
        splits or same_splits(f"glue/{config}", train="train", dev="validation", test="test"),
        {
            **dict(zip(("text", "text_pair"), texts, strict=False)),
            **{"label": "label", "index": "idx"},
        },
        classes,
    )


def _table(file: str, rows: int, filler: str) -> dict[str, SubmissionTable]:
    return {"test": SubmissionTable(file, rows, filler)}


_YES_NO = ClassLabels(("0", "1"))
_ENTAILMENT = ClassLabels(("entailment", "not_entailment"))
_PAIR = _files(TextFile("train", 1, 2, 3), TextFile("test", 1, 2))
GLUE_TASKS: dict[str, TextTask] = {
    "cola": TextTask(
        _files(TextFile("train", 3, None, 1, header=False), TextFile("test", 1)),
        _YES_NO,
        ("mcc",),
        tfds=_dataset("cola", "sentence", unacceptable="0", acceptable="1"),
        submission=_table("CoLA.tsv", 1063, "1"),
    ),
    "sst": TextTask(
        _files(TextFile("train", 0, None, 1), TextFile("test", 1)),
        _YES_NO,
        tfds=_dataset("sst2", "sentence", negative="0", positive="1"),
        submission=_table("SST-2.tsv", 1821, "1"),
    ),
    "mrpc": TextTask(
        _files(TextFile("train", 3, 4, 0), TextFile("test", 3, 4)),
        _YES_NO,
        ("accuracy", "f1"),
        unordered=True,
        tfds=_dataset("mrpc", "sentence1", "sentence2", not_equivalent="0", equivalent="1"),
        submission=_table("MRPC.tsv", 1725, "1"),
    ),
    "sts": TextTask(
        _files(TextFile("train", -3, -2, -1), TextFile("test", "sentence1", "sentence2")),
        LabelRange(0.0, 5.0),
        ("spearman", "pearson", "mse"),  # ELECTRA publishes Spearman's
        num_train_epochs=10.0,
        unordered=True,
        tfds=_dataset("stsb", "sentence1", "sentence2"),
        submission=_table("STS-B.tsv", 1379, "2.500"),
    ),
    "qqp": TextTask(
        _files(TextFile("train", 3, 4, 5), TextFile("test", 1, 2)),
        _YES_NO,
        ("accuracy", "f1"),
        tfds=_dataset("qqp", "question1", "question2", not_duplicate="0", duplicate="1"),
        submission=_table("QQP.tsv", 390965, "0"),
    ),
    "mnli": TextTask(
        {
            "train": TextFile("train", 8, 9, -1),
            "dev_matched": TextFile("dev", 8, 9, -1),
            "dev_mismatched": TextFile("dev", 8, 9, -1),
            "test_matched": TextFile("test", 8, 9),
            "test_mismatched": TextFile("test", 8, 9),
            "diagnostic": TextFile("test", 1, 2),
        },
        ClassLabels(("contradiction", "entailment", "neutral")),
        tfds=_dataset(
            "mnli",
            "premise",
            "hypothesis",
            splits={
                "train": "glue/mnli:train",
                "dev_matched": "glue/mnli:validation_matched",
                "dev_mismatched": "glue/mnli:validation_mismatched",
                "test_matched": "glue/mnli:test_matched",
                "test_mismatched": "glue/mnli:test_mismatched",
                "diagnostic": "glue/ax:test",
            },
        ),
        submission={
            "test_matched": SubmissionTable("MNLI-m.tsv", 9796, "entailment"),
            "test_mismatched": SubmissionTable("MNLI-mm.tsv", 9847, "entailment"),
            "diagnostic": SubmissionTable("AX.tsv", 1104, "entailment"),
        },
    ),
    "qnli": TextTask(
        _PAIR,
        _ENTAILMENT,
        tfds=_dataset("qnli", "question", "sentence"),
        submission=_table("QNLI.tsv", 5463, "entailment"),
    ),
    "rte": TextTask(
        _PAIR,
        _ENTAILMENT,
        num_train_epochs=10.0,
        tfds=_dataset("rte", "sentence1", "sentence2"),
        submission=_table("RTE.tsv", 3000, "entailment"),
    ),
    "wnli": TextTask(
        _PAIR,
        _YES_NO,
        tfds=_dataset("wnli", "sentence1", "sentence2", not_entailment="0", entailment="1"),
        submission=_table("WNLI.tsv", 146, "0"),
    ),
}
