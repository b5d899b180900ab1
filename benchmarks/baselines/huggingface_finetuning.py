"""Times fine-tuning and prediction of ELECTRA with Hugging Face's Trainer.

    python3.11 -m venv /tmp/hf
    /tmp/hf/bin/pip install 'torch==2.13.0' transformers accelerate
    /tmp/hf/bin/python -m benchmarks.baselines.huggingface_finetuning --data DIR --bucket

`ElectraForSequenceClassification` of ELECTRA-small's size, weights at random, texts tokenized
before, batches padded to their longest row. `--bucket` is the Trainer's own grouping by length, in
training and in prediction. Layers must repeat `AF`. The last line of the output is JSON; see tuning.py.
"""

from __future__ import annotations

import tempfile

import torch
import transformers

from benchmarks.baselines import tuning
from benchmarks.baselines.huggingface_electra import electra_small, training_arguments


class Rows(torch.utils.data.Dataset):
    """Token ids and labels in memory, not padded."""

    def __init__(self, tokenizer, texts: list[str], labels: list[int], max_seq_length: int):
        encoded = tokenizer(texts, truncation=True, max_length=max_seq_length)
        names = list(encoded)
        self.rows = [
            {**{name: encoded[name][index] for name in names}, "labels": label}
            for index, label in enumerate(labels)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict:
        return self.rows[index]


class EpochTimes(transformers.TrainerCallback):
    """Clocks of every epoch."""

    def __init__(self, rows: int):
        self.rows = rows
        self.epochs: list[dict] = []

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.clock = tuning.Clock()

    def on_epoch_end(self, args, state, control, **kwargs):
        self.epochs.append(self.clock.read(self.rows))


def main() -> None:
    parser = tuning.argument_parser(__doc__.splitlines()[0])
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    flags = parser.parse_args()
    if flags.layers != "AF" * (len(flags.layers) // 2):
        parser.error(f"--layers {flags.layers}: only repeated AF")
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)

    tokenizer = transformers.BertTokenizerFast(vocab_file=str(flags.data / "vocab.txt"))
    train, dev = (
        Rows(tokenizer, *tuning.read_rows(flags.data, split), flags.max_seq_length)
        for split in ("train", "dev")
    )
    model = transformers.ElectraForSequenceClassification(
        electra_small(len(tokenizer), len(flags.layers) // 2, flags.attention)
    )
    times = EpochTimes(len(train))
    with tempfile.TemporaryDirectory() as directory:
        trainer = transformers.Trainer(
            model=model,
            args=training_arguments(
                directory,
                flags.batch_size,
                1 + flags.epochs,
                flags.precision,
                flags.bucket,
                logging_strategy="no",
            ),
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            train_dataset=train,
            callbacks=[times],
        )
        trainer.train()
        predictions = []
        for _ in range(1 + flags.epochs):
            clock = tuning.Clock()
            trainer.predict(dev)
            predictions.append(clock.read(len(dev)))
    tuning.print_result(
        flags,
        times.epochs,
        predictions,
        framework=f"torch {torch.__version__}, transformers {transformers.__version__}",
        precision=flags.precision,
        attention=flags.attention,
    )


if __name__ == "__main__":
    main()
