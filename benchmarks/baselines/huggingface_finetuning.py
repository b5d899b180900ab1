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

# The default of the class without --bucket; both orders are the Trainer's own.
STRATEGIES = {False: "random", True: "group_by_length"}


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
        transformers.ElectraConfig(
            vocab_size=len(tokenizer),
            embedding_size=128,
            hidden_size=256,
            num_hidden_layers=len(flags.layers) // 2,
            num_attention_heads=4,
            intermediate_size=1024,
            num_labels=2,
            attn_implementation=flags.attention,
        )
    )
    reduced = flags.precision == "bfloat16"
    times = EpochTimes(len(train))
    with tempfile.TemporaryDirectory() as directory:
        trainer = transformers.Trainer(
            model=model,
            args=transformers.TrainingArguments(
                output_dir=directory,
                per_device_train_batch_size=flags.batch_size,
                per_device_eval_batch_size=flags.batch_size,
                num_train_epochs=1 + flags.epochs,
                learning_rate=3e-4,
                warmup_steps=0.1,
                weight_decay=0.01,
                optim="adamw_torch_fused",
                train_sampling_strategy=STRATEGIES[flags.bucket],
                use_cpu=True,
                bf16=reduced,
                logging_strategy="no",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
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
