"""What Hugging Face's drivers share: ELECTRA of the small size, and how its Trainer trains it."""

from __future__ import annotations

import transformers

WIDTH, HEADS = 256, 4

# The default of the class without grouping; both orders are the Trainer's own.
_STRATEGIES = {False: "random", True: "group_by_length"}


def electra_small(vocabulary_size: int, layers: int = 12, attention: str = "sdpa"):
    """The configuration of ELECTRA-small with two classes.

    Args:
      vocabulary_size: tokens of the vocabulary.
      layers: Hugging Face's layers, of which each is attention and feed-forward.
      attention: "sdpa" or "eager".
    """
    return transformers.ElectraConfig(
        vocab_size=vocabulary_size,
        embedding_size=128,
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        intermediate_size=1024,
        num_labels=2,
        attn_implementation=attention,
    )


def training_arguments(
    directory: str, batch_size: int, epochs: float, precision: str, bucket: bool, **more
) -> transformers.TrainingArguments:
    """The Trainer's arguments for fine-tuning on the processor, with its fused AdamW.

    Args:
      directory: where the Trainer may write.
      batch_size: rows a step.
      epochs: passes over the rows.
      precision: "float32" or "bfloat16".
      bucket: whether rows of like length are put together.
      **more: other arguments.
    """
    return transformers.TrainingArguments(
        output_dir=directory,
        per_device_train_batch_size=batch_size,
        per_device_eval_batch_size=batch_size,
        num_train_epochs=epochs,
        learning_rate=3e-4,
        warmup_steps=0.1,
        weight_decay=0.01,
        optim="adamw_torch_fused",
        train_sampling_strategy=_STRATEGIES[bucket],
        use_cpu=True,
        bf16=precision == "bfloat16",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **more,
    )
