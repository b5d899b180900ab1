"""Predicts for the lines of a file with Hugging Face's ELECTRA.

    python3.11 -m venv /tmp/hf
    /tmp/hf/bin/pip install 'torch==2.13.0' transformers accelerate
    /tmp/hf/bin/python -m benchmarks.baselines.huggingface_prediction sentences.txt --output answers \\
        --vocab_file vocab.txt --way trainer_by_length

`ElectraForSequenceClassification` of ELECTRA-small's size, weights at random. The ways are
Trainer.predict with batches of 32, its rows as they come or sorted by their length, longest first, each
batch padded to its longest row; and the pipeline for text classification. Writes a JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
import transformers

from benchmarks.baselines.huggingface_electra import electra_small

WAYS = ("trainer", "trainer_by_length", "pipeline")
MAX_LENGTH, BATCH = 128, 32


class Rows(torch.utils.data.Dataset):
    """Token ids in memory, not padded."""

    def __init__(self, ids: list[list[int]]):
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict:
        return {"input_ids": self.ids[index]}


def by_trainer(model, tokenizer, texts: list[str], reduced: bool, sort: bool) -> list[dict]:
    """Answers of Trainer.predict, in the order of the texts."""
    ids = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row])) if sort else range(len(ids))
    with tempfile.TemporaryDirectory() as directory:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=directory,
                per_device_eval_batch_size=BATCH,
                use_cpu=True,
                bf16_full_eval=reduced,
                report_to=[],
                disable_tqdm=True,
            ),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )
        logits = torch.from_numpy(trainer.predict(Rows([ids[row] for row in order])).predictions)
    answers: list[dict] = [{}] * len(ids)
    for row, likely in zip(order, logits.float().softmax(-1).tolist(), strict=True):
        answers[row] = {"label": str(likely.index(max(likely))), "probabilities": likely}
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--vocab_file", required=True)
    parser.add_argument("--way", choices=WAYS, default="trainer")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    flags = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    texts = flags.source.read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = transformers.BertTokenizerFast(vocab_file=flags.vocab_file)
    model = transformers.ElectraForSequenceClassification(electra_small(len(tokenizer))).eval()
    reduced = flags.precision == "bfloat16"
    if flags.way == "pipeline":
        model = model.to(getattr(torch, flags.precision))
        classify = transformers.pipeline("text-classification", model, tokenizer=tokenizer)
        answers = classify(texts, top_k=None, truncation=True, max_length=MAX_LENGTH)
    else:
        sort = flags.way == "trainer_by_length"
        answers = by_trainer(model, tokenizer, texts, reduced, sort)
    lines = "".join(json.dumps(answer) + "\n" for answer in answers)
    flags.output.write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
