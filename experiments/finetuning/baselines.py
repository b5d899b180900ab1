"""What the tasks give without a neural network: on the same examples, with the same metrics."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV

from experiments.finetuning.experiment import TaskPlan
from lvbert_tf.finetuning.metrics.answer_rules import normalized_answer
from lvbert_tf.finetuning.metrics.classification import score_classes
from lvbert_tf.finetuning.metrics.question_answering import score_answers
from lvbert_tf.finetuning.metrics.regression import score_numbers
from lvbert_tf.finetuning.metrics.tagging import score_word_tags
from lvbert_tf.finetuning.task_examples import Question, TaggedSentence, TextExample
from lvbert_tf.finetuning.tasks.registry import find_task
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.io.whole import write_json

TRIVIAL, LEXICAL = "trivial", "words"
"""Always the same answer; and what single words tell."""

# Chosen by cross-validation, for the main metric.
_GRIDS = {"C": (0.01, 0.1, 1.0, 10.0), "alpha": (1.0, 10.0, 100.0, 1000.0)}
_SCORERS = {"accuracy": "accuracy", "mcc": "matthews_corrcoef", "pearson": "r2"}
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")

Baselines = dict[str, dict[str, float]]
"""Metrics by baseline and by name."""


def all_baselines(output_dir: Path, plans: Iterable[TaskPlan]) -> dict[str, Baselines]:
    """The baselines of the tasks, by name. They are computed once and kept in a file."""
    path = output_dir / "baselines.json"
    if not path.exists():
        tasks = [find_task(plan.name, output_dir) for plan in plans]
        write_json(path, {task.name: _baselines(task) for task in tasks})
    return json.loads(path.read_text(encoding="utf-8"))


def _baselines(task: Task) -> Baselines:
    train, dev = (task.read(split, skip_bad_rows=True).examples for split in ("train", "dev"))
    return {
        "classification": of_classes,
        "regression": of_numbers,
        "tagging": of_tags,
        "span": of_answers,
    }[task.kind](task, train, dev)


def of_classes(task: Task, train: Sequence[TextExample], dev: Sequence[TextExample]) -> Baselines:
    """The commonest class; and logistic regression on words and pairs of neighbours."""
    references, labels = _labels(dev), _labels(train)
    commonest = Counter(labels).most_common(1)[0][0]
    seen, unseen = _bags(train, dev)
    model = _tuned(LogisticRegression(solver="liblinear"), "C", task)
    predicted = model.fit(seen, labels).predict(unseen)
    return {
        TRIVIAL: score_classes(references, [commonest] * len(dev), task.metrics),
        LEXICAL: score_classes(references, predicted, task.metrics),
    }


def of_numbers(task: Task, train: Sequence[TextExample], dev: Sequence[TextExample]) -> Baselines:
    """The mean; and ridge regression on words and pairs of neighbours."""
    references, labels = _labels(dev), _labels(train)
    seen, unseen = _bags(train, dev)
    predicted = _tuned(Ridge(solver="sparse_cg"), "alpha", task).fit(seen, labels).predict(unseen)
    return {
        TRIVIAL: score_numbers(references, [float(np.mean(labels))] * len(dev), task.metrics),
        LEXICAL: score_numbers(references, predicted, task.metrics),
    }


def _tuned(model: BaseEstimator, parameter: str, task: Task) -> GridSearchCV:
    scorer = _SCORERS[task.metrics[0]]
    return GridSearchCV(model, {parameter: _GRIDS[parameter]}, scoring=scorer, cv=5)


def of_tags(
    task: Task, train: Sequence[TaggedSentence], dev: Sequence[TaggedSentence]
) -> Baselines:
    """The commonest tag; and the commonest tag of each word, which was seen in lower case."""
    tags_of: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, tag in zip(sentence.words, sentence.tags or (), strict=True):
            tags_of[word.lower()][tag] += 1
    commonest = sum(tags_of.values(), Counter()).most_common(1)[0][0]
    best = {word: tags.most_common(1)[0][0] for word, tags in tags_of.items()}
    references = [sentence.tags or () for sentence in dev]
    return {
        TRIVIAL: score_word_tags(
            references, [[commonest] * len(sentence.words) for sentence in dev], task.metrics
        ),
        LEXICAL: score_word_tags(
            references,
            [[best.get(word.lower(), commonest) for word in sentence.words] for sentence in dev],
            task.metrics,
        ),
    }


def of_answers(task: Task, train: Sequence[Question], dev: Sequence[Question]) -> Baselines:
    """The first sentence; and the one that has most words of the question. They learn nothing."""
    first = {question.id: _sentences(question.context)[0] for question in dev}
    alike = {question.id: likest_sentence(question) for question in dev}
    return {TRIVIAL: score_answers(dev, first), LEXICAL: score_answers(dev, alike)}


def likest_sentence(question: Question) -> str:
    """The first of the context's sentences with the most words of the question."""
    asked = set(normalized_answer(question.question).split())
    return max(
        _sentences(question.context),
        key=lambda sentence: len(asked & set(normalized_answer(sentence).split())),
    )


def _sentences(text: str) -> list[str]:
    return [match[0].strip() for match in _SENTENCE.finditer(text)] or [text]


def _labels(examples: Sequence[TextExample]) -> list:
    return [example.label for example in examples]


def _bags(*splits: Sequence[TextExample]) -> list[sparse.csr_matrix]:
    """Which words and pairs of neighbours a text has: [examples, features], by split.

    Of pairs of texts what both have, and what only one of them has.
    """
    first = splits[0]
    vectorizer = CountVectorizer(
        ngram_range=(1, 2), min_df=2, binary=True, token_pattern=r"\w+|[^\w\s]"
    )
    vectorizer.fit([text for e in first for text in (e.text, e.text_pair) if text is not None])
    bags = []
    for examples in splits:
        bag = vectorizer.transform([example.text for example in examples])
        if first[0].text_pair is not None:
            other = vectorizer.transform([example.text_pair or "" for example in examples])
            bag = sparse.hstack([bag.multiply(other), abs(bag - other)])
        bags.append(sparse.csr_matrix(bag, dtype=np.float64))
    return bags
