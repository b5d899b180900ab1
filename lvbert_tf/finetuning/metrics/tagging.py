"""Metrics of predicted tags: of entities by seqeval, of words by scikit-learn."""

from collections.abc import Iterable, Iterator, Sequence

from lvbert_tf.finetuning.entity_schemes import BIOES

ENTITY_METRICS = ("f1", "precision", "recall")
WORD_METRICS = ("accuracy",)


def score_entities(
    references: Iterable[Sequence[str]],
    predictions: Iterable[Sequence[str]],
    names: Sequence[str] = ENTITY_METRICS,
) -> dict[str, float]:
    """Scores predicted entities. An entity is right if its type and both its ends are.

    Args:
      references, predictions: sentences of tags, each in a scheme of `entity_schemes.SCHEMES`; the two
        schemes may differ. Tags that break the rules of their scheme mark the entities that conlleval
        reads in them. A prediction may be shorter than its sentence, which the model's length then cut
        off; entities in the rest count as missed.
      names: metrics among `ENTITY_METRICS`.

    Returns:
      the metrics by name, in percent, micro-averaged as conlleval does; 0 where a metric is undefined.

    Raises:
      ValueError: the numbers of sentences differ, a prediction is longer than its sentence, or a tag
        belongs to no scheme.
    """
    # Not at the top: who only predicts need not wait for it.
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    pairs = list(_aligned(references, predictions, rest="O"))
    precision, recall, f1, _ = precision_recall_fscore_support(
        [list(BIOES.write(expected)) for expected, _ in pairs],
        [list(BIOES.write(predicted)) for _, predicted in pairs],
        average="micro",
        zero_division=0,
    )
    metrics = {"f1": f1, "precision": precision, "recall": recall}
    return {name: 100.0 * float(metrics[name]) for name in names}


def score_word_tags(
    references: Iterable[Sequence[str]],
    predictions: Iterable[Sequence[str]],
    names: Sequence[str] = WORD_METRICS,
) -> dict[str, float]:
    """Scores predicted tags word by word.

    Args:
      references, predictions: sentences of tags. Words that a shorter prediction lacks count as wrong.
      names: metrics among `WORD_METRICS`.

    Returns:
      the metrics by name, in percent.

    Raises:
      ValueError: the numbers of sentences differ, or a prediction is longer than its sentence.
    """
    from sklearn.metrics import accuracy_score

    # No tag of a reference is empty, so an empty one is always wrong.
    pairs = list(_aligned(references, predictions, rest=""))
    accuracy = accuracy_score(
        [tag for expected, _ in pairs for tag in expected],
        [tag for _, predicted in pairs for tag in predicted],
    )
    return {name: 100.0 * float(accuracy) for name in names}


def _aligned(
    references: Iterable[Sequence[str]], predictions: Iterable[Sequence[str]], rest: str
) -> Iterator[tuple[list[str], list[str]]]:
    for expected, predicted in zip(references, predictions, strict=True):
        if len(predicted) > len(expected):
            raise ValueError(f"{len(predicted)} predicted tags for {len(expected)} words")
        yield list(expected), [*predicted, *[rest] * (len(expected) - len(predicted))]
