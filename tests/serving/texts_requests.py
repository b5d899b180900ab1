"""Texts to ask exported models for, and the answers of their graphs."""

import numpy as np
import tensorflow as tf

SHORT, LONG = "A fine film.", "The plot — café, Ünïcödé, 漢字 — was   dull and long: " * 4
TEXTS = [
    SHORT,
    LONG,
    "",
    "tab\tand\nline\u00a0of\u3000blanks",
    "ΟΔΟΣ e\u0301\u200b\u0327x \U0001fa77",
]
MASKED = ["the [MASK] was [MASK]", "none", "[MASK]", "dull " * 40 + "[MASK]", "[MASK]" * 40]
PAIRS = [*zip(TEXTS, TEXTS[::-1], strict=True), (LONG, LONG), (SHORT, LONG), (LONG, SHORT)]
QUESTIONS = [
    ("Who was it?", LONG),
    ("Where?", SHORT),
    ("", ""),
    ("What is long, and why? " * 3, LONG),
    ("What?", f"{LONG} e\u0301\u0327. {LONG}"),
]
# Kind of model -> signature -> texts to ask for; see `served`.
ASKED = {
    "classifier": {"serving_default": TEXTS},
    "regressor": {"serving_default": PAIRS},
    "tagger": {"serving_default": TEXTS},
    "answers": {"serving_default": QUESTIONS},
    "answers_or_none": {"serving_default": QUESTIONS},
    "spans_or_none": {"serving_default": QUESTIONS},
    "encoder": {"embed": TEXTS},
    "pretrained": {"embed": TEXTS, "fill_mask": MASKED, "replaced_tokens": TEXTS},
}
ALL = [(name, signature) for name, asked in ASKED.items() for signature in asked]


def answers_of(model, signature, texts) -> list[dict]:
    """What a graph on strings answers to each text alone, so that there is no padding."""
    return [_answer(model.signatures[signature], text) for text in texts]


def _answer(graph, text) -> dict:
    parts = [text] if isinstance(text, (str, bytes)) else text
    outputs = graph(*(tf.constant([part]) for part in parts))
    row = {name: value.numpy()[0] for name, value in outputs.items()}
    row.pop("padding_mask", None)  # 1 everywhere
    return row


def assert_same_answers(found, expected, tolerance=1e-5) -> None:
    """Answers of a predictor are those of a graph."""
    assert len(found) == len(expected)
    for row, (answer, wanted) in enumerate(zip(found, expected, strict=True)):
        assert answer.keys() == wanted.keys()
        for name, value in wanted.items():
            got, value = np.asarray(answer[name]), np.asarray(value)
            where = f"{name} of row {row}"
            if value.dtype == object or value.dtype.kind == "S":
                value = np.vectorize(lambda text: text.decode(), otypes=[object])(value)
                assert got.tolist() == value.tolist(), where
            elif value.dtype.kind in "ib":
                assert got.tolist() == value.tolist(), where
            else:
                assert got.shape == value.shape or got.size == value.size == 0, where
                np.testing.assert_allclose(
                    got.reshape(value.shape), value, atol=tolerance, rtol=1e-6, err_msg=where
                )
