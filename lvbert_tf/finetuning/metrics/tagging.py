"""Figures of tags: entities by seqeval, words by scikit-learn."""

from collections.abc import Iterable, Iterator, Sequence

from seqeval.metrics.sequence_labeling import precision_recall_fscore_support
from sklearn.metrics import accuracy_score

from lvbert_tf.finetuning.entity_schemes import BIOES

ENTITY_METRICS = ("f1", "precision", "recall")
WORD_METRICS = ("accuracy",)

Tags = Sequence[str]


def score_entities(
    references: Iterable[Tags], predictions: Iterable[Tags], names: Sequence[str] = ENTITY_METRICS
) -> dict[str, float]:
    """Scores predicted entities: one counts as right if its type and both ends are.

    Args:
      references, predictions: sentences of tags, both in schemes of `entity_schemes.SCHEMES`, which
        may differ. Tags that break the rules of their scheme mark what conlleval takes them for. A
        prediction may be shorter than its sentence where the model's length cut that off: the entities
        in the rest count as missed.
      names: among `ENTITY_METRICS`.

    Returns:
      percent by name, micro-averaged as by conlleval; 0 where a figure is undefined.

    Raises:
      ValueError: another number of sentences, a prediction longer than its sentence, or a tag of no
        scheme.
    """
    pairs = list(_aligned(references, predictions, rest="O"))
    precision, recall, f1, _ = precision_recall_fscore_support(
        [list(BIOES.write(expected)) for expected, _ in pairs],
        [list(BIOES.write(predicted)) for _, predicted in pairs],
        average="micro",
        zero_division=0,
    )
    figures = {"f1": f1, "precision": precision, "recall": recall}
    return {name: 100.0 * float(figures[name]) for name in names}


def score_word_tags(
    references: Iterable[Tags], predictions: Iterable[Tags], names: Sequence[str] = WORD_METRICS
) -> dict[str, float]:
    """Scores predicted tags word by word.

    Args:
      references, predictions: sentences of tags. Words that a shorter prediction lacks count as wrong.
      names: among `WORD_METRICS`.

    Returns:
      percent by name.

    Raises:
      ValueError: another number of sentences, or a prediction longer than its sentence.
    """
    # No tag is empty, so the empty one is wrong everywhere.
    pairs = list(_aligned(references, predictions, rest=""))
    accuracy = accuracy_score(
        [tag for expected, _ in pairs for tag in expected],
        [tag for _, predicted in pairs for tag in predicted],
    )
    return {name: 100.0 * float(accuracy) for name in names}


def _aligned(
    references: Iterable[Tags], predictions: Iterable[Tags], rest: str
) -> Iterator[tuple[list[str], list[str]]]:
    for expected, predicted in zip(references, predictions, strict=True):
        if len(predicted) > len(expected):
            raise ValueError(f"{len(predicted)} predicted tags for {len(expected)} words")
        yield list(expected), [*predicted, *[rest] * (len(expected) - len(predicted))]
