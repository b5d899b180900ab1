"""Fine-tunes Hugging Face's ELECTRA on CoLA: from the import to the result on the dev set.

    /tmp/hf/bin/python -m benchmarks.baselines.huggingface_task --data_dir GLUE/CoLA \
        --model ELECTRA --output_dir OUT --precision bfloat16 --bucket

The Trainer as Hugging Face's example run_glue.py uses it: texts tokenized before, batches padded to
their longest row, the model saved at the end, the dev set evaluated. `ELECTRA` is a directory of
`save_pretrained` with the model and its tokenizer; with `--make VOCABULARY` this program writes one of
ELECTRA-small's size with random weights, and ends. Writes OUT/result.json.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
import transformers

from benchmarks.baselines.huggingface_electra import electra_small, training_arguments
from benchmarks.baselines.huggingface_finetuning import Rows


def read_cola(path: Path) -> tuple[list[str], list[int]]:
    """The sentences of a file, and whether they are English (1) or not (0)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row[3] for row in rows], [int(row[1]) for row in rows]


def make_model(directory: Path, vocabulary: str) -> None:
    """Saves a model with random weights."""
    torch.manual_seed(0)
    tokenizer = transformers.BertTokenizerFast(vocab_file=vocabulary)
    model = transformers.ElectraModel(electra_small(len(tokenizer)))
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--make", metavar="VOCABULARY", help="only make the model")
    parser.add_argument("--data_dir", type=Path)
    parser.add_argument("--output_dir", type=Path)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--bucket", action="store_true", help="rows of like length together")
    flags = parser.parse_args()
    if flags.make:
        make_model(flags.model, flags.make)
        return
    if not flags.data_dir or not flags.output_dir:
        parser.error("--data_dir and --output_dir are needed")
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.BertTokenizerFast.from_pretrained(flags.model)
    train, dev = (
        Rows(tokenizer, *read_cola(flags.data_dir / f"{split}.tsv"), 128)
        for split in ("train", "dev")
    )
    model = transformers.ElectraForSequenceClassification.from_pretrained(flags.model, num_labels=2)
    trainer = transformers.Trainer(
        model=model,
        args=training_arguments(
            str(flags.output_dir),
            32,
            flags.epochs,
            flags.precision,
            flags.bucket,
            logging_steps=100,
        ),
        data_collator=transformers.DataCollatorWithPadding(tokenizer),
        train_dataset=train,
        eval_dataset=dev,
        compute_metrics=lambda found: {
            "mcc": float(np.corrcoef(found.predictions.argmax(-1), found.label_ids)[0, 1])
        },
    )
    trainer.train()
    result = trainer.evaluate()
    trainer.save_model()
    (flags.output_dir / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
