"""The settings of fine-tuning by owner: what each part of a run receives.

The names are those of the hparams.
"""

from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.finetuning.tasks.task import Task
from lvbert_tf.settings.model_overrides import ModelOverrides


@dataclass(frozen=True)
class DataSettings:
    """Which splits of the tasks are read, and how.

    Attributes:
      do_train: whether the training splits are needed.
      do_eval: whether the dev splits are needed.
      write_test_outputs: whether the test splits are needed.
      skip_bad_rows: whether bad rows of train and dev splits are left out and counted.
      double_unordered: whether training sees pairs that have no order both ways round.
    """

    do_train: bool
    do_eval: bool
    write_test_outputs: bool
    skip_bad_rows: bool
    double_unordered: bool


@dataclass(frozen=True)
class StartingModelSettings:
    """Where the encoder and its tokenizer come from.

    Attributes:
      data_dir: the directory with the default vocabulary, vocab.txt.
      model_dir: the directory of the pre-trained model.
      init_checkpoint: what to start from in its place; None for `model_dir`.
      custom_layer_list: the layers that the encoder must have; None accepts any.
      vocab_file: the vocabulary that the encoder must have; empty accepts any.
      model_size, model_hparam_overrides, embedding_size, vocab_size, do_lower_case: what a reference
        checkpoint was trained with.
    """

    data_dir: str
    model_dir: Path
    init_checkpoint: str | None
    custom_layer_list: LayerString | None
    vocab_file: str
    model_size: str
    model_hparam_overrides: ModelOverrides
    embedding_size: int | None
    vocab_size: int | None
    do_lower_case: bool


@dataclass(frozen=True)
class HeadSettings:
    """What a task's model is made with besides the encoder.

    Attributes:
      max_seq_length: tokens of a row at most; None leaves it to the task.
      head_dropout: dropout before the head of classification and regression.
      max_query_length, doc_stride: tokens of a question, and between windows of a context.
      n_best_size, max_answer_length, beam_size: how many answers of a span task are considered, how
        long they are, and how many starts and ends.
      joint_prediction: whether an answer's end depends on its start.
      answerable_classifier, answerable_uses_start_logits, answerable_weight: whether a classifier says
        that there is no answer, what it reads, and the weight of its loss.
      qa_na_threshold: the score above which no answer is predicted.
    """

    max_seq_length: int | None
    head_dropout: float
    max_query_length: int
    doc_stride: int
    n_best_size: int
    max_answer_length: int
    beam_size: int
    joint_prediction: bool
    answerable_classifier: bool
    answerable_uses_start_logits: bool
    answerable_weight: float
    qa_na_threshold: float

    def length_of(self, task: Task) -> int:
        """Tokens of a row of the task at most."""
        return self.max_seq_length or task.max_seq_length


@dataclass(frozen=True)
class LearningSettings:
    """How the weights are learned.

    Attributes:
      learning_rate: the peak.
      weight_decay_rate: decoupled weight decay.
      layerwise_lr_decay, layerwise_lr_depth: see `rate_multiplier`.
      num_train_epochs: passes over the training rows; None leaves it to the task.
      warmup_proportion: the share of the steps in which the learning rate rises.
      train_batch_size: rows of the global batch.
      bucket_by_length: whether batches are padded to their own length.
      jit_compile: whether XLA compiles the whole training step; "auto": on GPUs and TPUs.
      from_scratch: whether a trial starts from random weights.
    """

    learning_rate: float
    weight_decay_rate: float
    layerwise_lr_decay: float
    layerwise_lr_depth: str
    num_train_epochs: float | None
    warmup_proportion: float
    train_batch_size: int
    bucket_by_length: bool
    jit_compile: bool | str
    from_scratch: bool

    def epochs_of(self, task: Task) -> float:
        """Passes over the task's training rows."""
        return self.num_train_epochs or task.num_train_epochs


@dataclass(frozen=True)
class TrialSettings:
    """What happens in a trial besides learning.

    Attributes:
      log_steps: steps between lines of metrics.jsonl.
      save_checkpoints_steps: steps between checkpoints.
      iterations_per_loop: steps between returns to the host.
      n_writes_test: the number of trials that predict for the test splits.
    """

    log_steps: int
    save_checkpoints_steps: int
    iterations_per_loop: int
    n_writes_test: int


@dataclass(frozen=True)
class PredictionSettings:
    """How rows are batched where nothing is learned.

    Attributes:
      eval_batch_size: rows of a batch, over all replicas.
      bucket_by_length: whether batches are padded to their own length.
    """

    eval_batch_size: int
    bucket_by_length: bool


@dataclass(frozen=True)
class ReportSettings:
    """What a run reports of its trials.

    Attributes:
      results_dir: the directory of the results.
      do_eval: whether the dev splits were scored.
      write_test_outputs: whether GLUE's submission is written.
    """

    results_dir: Path
    do_eval: bool
    write_test_outputs: bool
