"""The configuration of a fine-tuning run."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.architecture.sizes import SIZES
from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.parts import (
    DataSettings,
    HeadSettings,
    LearningSettings,
    PredictionSettings,
    ReportSettings,
    StartingModelSettings,
    TrialSettings,
)
from lvbert_tf.finetuning.tasks.task import Kind, Task
from lvbert_tf.hparams import (
    AT_LEAST_0,
    AT_LEAST_1,
    BATCH,
    COUNT,
    DROPOUT,
    FRACTION,
    POSITIVE,
    SEED,
    Range,
    hparam,
)
from lvbert_tf.io.paths import parse_path
from lvbert_tf.settings.devices import JIT_COMPILE, PRECISIONS, DeviceHparams, DeviceSettings
from lvbert_tf.settings.model_overrides import ModelOverrides
from lvbert_tf.settings.user_hparams import check_directory_name, expand_path

_LEARNING_RATES = {"small": 3e-4, "medium": 3e-4}  # the others: 1e-4
_PATHS = ("init_checkpoint", "vocab_file")
_ONLY_FOR: dict[str, tuple[Kind, ...]] = {
    **dict.fromkeys(("head_dropout", "double_unordered"), ("classification", "regression")),
    **dict.fromkeys(
        (
            *("max_query_length", "doc_stride", "n_best_size", "max_answer_length", "beam_size"),
            *("joint_prediction", "answerable_classifier", "answerable_uses_start_logits"),
            *("answerable_weight", "qa_na_threshold"),
        ),
        ("span",),
    ),
}


@dataclass(frozen=True)
class TaskNames:
    """The names of tasks to learn together, as the hparam `task_names`."""

    names: tuple[str, ...]

    @classmethod
    def parse(cls, value: Any) -> "TaskNames":
        """Makes the names of a list, or of text with commas.

        Raises:
          InputError: there is no name, or one is given twice.
        """
        if isinstance(value, TaskNames):
            return value
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f'expected a list of names such as ["cola"], got {value!r}')
        names = tuple(name.strip() for name in names)
        if not names or "" in names or len(set(names)) < len(names):
            raise InputError(f"expected one or more different names, got {value!r}")
        return cls(names)

    def __str__(self) -> str:
        return ",".join(self.names)


@dataclass(frozen=True)
class FinetuningConfig(DeviceHparams):
    """Every setting of a fine-tuning run, under the reference's names.

    Make one with `create`. The hparams for which each task has its own default (epochs, length) are
    None unless the user sets them. The properties at the end are what each part of a run receives.
    """

    data_dir: str
    model_name: str

    # What to do
    task_names: TaskNames = hparam(
        TaskNames(("chunk",)),
        doc="built-in tasks, or folders with a task.toml; several are learned together",
    )
    data_source: str = hparam(
        "files", ("files", "tfds"), "where built-in tasks come from: finetuning_data/, or TFDS"
    )
    do_train: bool = hparam(True, doc="train; false: evaluate what was trained before")
    do_eval: bool = hparam(True, doc="score the dev sets")
    num_trials: int = hparam(1, AT_LEAST_1, "models to train, each with a seed of its own")
    seed: int = hparam(42, SEED, "seed of the first trial; the next ones count up")
    keep_all_models: bool = hparam(True, doc="false: keep only the best trial's model")
    skip_bad_rows: bool = hparam(False, doc="leave out and count bad rows of train and dev sets")

    # Model
    init_checkpoint: str | None = hparam(
        None,
        doc="a model directory, a preset or a reference checkpoint; null: {data_dir}/models/NAME",
    )
    from_scratch: bool = hparam(
        False, doc="start from random weights, to see what pre-training is worth"
    )
    model_size: str = hparam(
        "small",
        tuple(SIZES),
        "gives the default learning rate, and a reference checkpoint's widths",
    )
    custom_layer_list: LayerString | None = hparam(None, doc="layers of a reference checkpoint")
    model_hparam_overrides: ModelOverrides = hparam(
        ModelOverrides(), doc="widths of a reference checkpoint"
    )
    embedding_size: int | None = hparam(
        None, AT_LEAST_1, "width of a reference checkpoint's embeddings"
    )
    vocab_size: int | None = hparam(
        None,
        AT_LEAST_1,
        "token embeddings of a reference checkpoint, if vocab_file has fewer tokens",
    )
    do_lower_case: bool = hparam(True, doc="whether a reference checkpoint is uncased")
    vocab_file: str = hparam("", doc="vocabulary of a reference checkpoint, one token a line")
    head_dropout: float = hparam(
        0.1, DROPOUT, "dropout before the head of classification and regression"
    )

    # Optimisation
    learning_rate: float | None = hparam(
        None, POSITIVE, "peak; 3e-4 for small and medium, else 1e-4"
    )
    weight_decay_rate: float = hparam(
        0.01, AT_LEAST_0, "decoupled weight decay, not on LayerNorm and biases"
    )
    layerwise_lr_decay: float = hparam(
        0.8, FRACTION, "learning rate of a depth as a share of the next one's; 1: the same for all"
    )
    layerwise_lr_depth: str = hparam(
        "pairs", ("pairs", "layers"), "what counts as a depth: two layers, as the reference, or one"
    )
    num_train_epochs: float | None = hparam(
        None, POSITIVE, "passes over the training set; 3, rte and sts 10, span 2"
    )
    warmup_proportion: float = hparam(0.1, Range(0, 1), "share of the steps that warm up")
    train_batch_size: int = hparam(32, BATCH, "rows a step, over all replicas")
    eval_batch_size: int = hparam(
        32, BATCH, "rows of a batch where nothing is learned, over all replicas"
    )
    max_seq_length: int | None = hparam(
        None, Range(8), "tokens of a row at most; 128, tagging 256, span 512"
    )
    double_unordered: bool = hparam(
        True, doc="train on both orders of pairs without an order (mrpc, sts)"
    )

    # Question answering
    max_query_length: int = hparam(64, COUNT, "tokens of a question at most")
    doc_stride: int = hparam(128, COUNT, "tokens between windows of a long context")
    n_best_size: int = hparam(20, COUNT, "answers of a question that are considered")
    max_answer_length: int = hparam(30, COUNT, "tokens of an answer at most")
    beam_size: int = hparam(20, COUNT, "starts, and ends of each, that are considered")
    joint_prediction: bool = hparam(True, doc="an answer's end depends on its start")
    answerable_classifier: bool = hparam(
        True, doc="learn whether there is an answer, if some questions have none"
    )
    answerable_uses_start_logits: bool = hparam(
        True, doc="whether that classifier reads the likely starts"
    )
    answerable_weight: float = hparam(0.5, AT_LEAST_0, "weight of that classifier's loss")
    qa_na_threshold: float = hparam(-2.75, doc="score above which no answer is predicted")

    # Speed
    precision: str = hparam(
        "auto", PRECISIONS, "number format of the layers; auto: the hardware's fastest one"
    )
    bucket_by_length: bool = hparam(True, doc="pad a batch to its own length, not the longest")
    jit_compile: bool | str = hparam(
        "auto",
        JIT_COMPILE,
        "compile the whole training step with XLA; auto: on GPUs and TPUs",
    )
    iterations_per_loop: int = hparam(1000, AT_LEAST_1, "steps between returns to the host")

    # Checkpoints, logs and outputs
    save_checkpoints_steps: int = hparam(1000, AT_LEAST_1, "steps between checkpoints")
    log_steps: int = hparam(100, AT_LEAST_1, "steps between lines of metrics.jsonl")
    write_test_outputs: bool = hparam(False, doc="predict for the test sets")
    n_writes_test: int = hparam(10, AT_LEAST_0, "trials that predict for the test sets")

    @classmethod
    def create(
        cls, data_dir: str, model_name: str, user_hparams: Mapping[str, Any]
    ) -> "FinetuningConfig":
        """Makes the configuration of a run from a user's hparams.

        Args:
          data_dir: the directory with finetuning_data/ and models/.
          model_name: the name of the model's directory in models/.
          user_hparams: the user's values by name; see `user_hparams.load_hparams`.

        Raises:
          InputError: a value is wrong; one line with the hparam, its value and what is allowed.
        """
        check_directory_name("model name", model_name)
        return cls(data_dir, model_name, **hparams.convert(cls, user_hparams))

    def __post_init__(self) -> None:
        hparams.check(self)
        for name in _PATHS:  # so that one configs/*.toml fits every data directory
            path = getattr(self, name)
            if path is not None:
                object.__setattr__(self, name, expand_path(path, self.data_dir))
        if self.learning_rate is None:
            object.__setattr__(self, "learning_rate", _LEARNING_RATES.get(self.model_size, 1e-4))
        if self.seed + self.num_trials - 1 not in SEED:
            raise InputError(f"the seed of the last trial, seed + num_trials - 1, must be {SEED}")
        if not (self.do_train or self.do_eval or self.write_test_outputs):
            raise InputError("nothing to do: do_train, do_eval and write_test_outputs are false")

    @property
    def devices(self) -> DeviceSettings:
        """Where to compute, for `start_strategy`, and in which number format."""
        return hparams.part(DeviceSettings, self)

    @property
    def model_dir(self) -> Path:
        """The directory of the pre-trained model, which also gets the trials and the results."""
        return parse_path(self.data_dir) / "models" / self.model_name

    @property
    def models_dir(self) -> Path:
        """The directory of the trials."""
        return self.model_dir / "finetuning_models"

    @property
    def results_dir(self) -> Path:
        """The directory of the results of all runs with the model."""
        return self.model_dir / "results"

    def without_effect(self, tasks: Iterable[Task]) -> list[str]:
        """Lists hparams that were set and that no task uses, as lines for the user."""
        kinds, fields = {task.kind for task in tasks}, hparams.hparam_fields(type(self))
        return [
            f"{name} has no effect: no task is a {' or '.join(users)} task"
            for name, users in _ONLY_FOR.items()
            if getattr(self, name) != fields[name].default and kinds.isdisjoint(users)
        ]

    @property
    def data(self) -> DataSettings:
        """Which splits are read, and how, for `read_task_data`."""
        return hparams.part(DataSettings, self)

    @property
    def starting_model(self) -> StartingModelSettings:
        """Where the encoder comes from, for `load_starting_model`."""
        return hparams.part(StartingModelSettings, self)

    @property
    def head(self) -> HeadSettings:
        """What a task's model is made with, for the objectives."""
        return hparams.part(HeadSettings, self)

    @property
    def learning(self) -> LearningSettings:
        """How the weights are learned, for `Learner`."""
        return hparams.part(LearningSettings, self)

    @property
    def trials(self) -> TrialSettings:
        """What else happens in a trial, for `Trainer`."""
        return hparams.part(TrialSettings, self)

    @property
    def prediction(self) -> PredictionSettings:
        """How rows are batched in predictions, for `Predictor`."""
        return hparams.part(PredictionSettings, self)

    @property
    def report(self) -> ReportSettings:
        """What is reported of the trials, for `Report`."""
        return hparams.part(ReportSettings, self)
