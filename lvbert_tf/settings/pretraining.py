"""The configuration of a pre-training run: the hparams, their defaults, and what follows from them."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.architecture.layer_string import LayerString, interleaved
from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.architecture.sizes import SIZES
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import (
    AT_LEAST_0,
    AT_LEAST_1,
    BATCH,
    FRACTION,
    OPEN_FRACTION,
    POSITIVE,
    SEED,
    Range,
    hparam,
)
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.patterns import divide_patterns
from lvbert_tf.settings.combinations import check_combinations
from lvbert_tf.settings.devices import JIT_COMPILE, PRECISIONS, DeviceHparams, DeviceSettings
from lvbert_tf.settings.model_overrides import ModelOverrides
from lvbert_tf.settings.networks import Networks, Wiring, discriminator_of, generator_of
from lvbert_tf.settings.optimizer import OptimizerHparams
from lvbert_tf.settings.parts import (
    EvaluationSettings,
    ObjectiveSettings,
    OptimisationSettings,
    RecordSettings,
    StepSettings,
)
from lvbert_tf.settings.schedule import LongRunHparams, Schedule
from lvbert_tf.settings.user_hparams import check_directory_name, expand_path

PATHS = ("init_checkpoint", "pretrain_tfrecords", "eval_tfrecords", "vocab_file", "model_dir")
"""The hparams that are paths."""

# A debug run is short and narrow. A user's layer string is kept whole; without one, the run has the
# first 6 layers of its model size. (In the reference a debug run always has 6 layers.)
_DEBUG_HPARAMS = {
    "train_batch_size": 8,
    "eval_batch_size": 4,
    "num_train_steps": 20,
    "num_eval_steps": 2,
    "iterations_per_loop": 1,
}
_DEBUG_HIDDEN_DIM = 144
_DEBUG_LAYERS = 6


@dataclass(frozen=True)
class PretrainingConfig(DeviceHparams, LongRunHparams, OptimizerHparams):
    """All hparams of a pre-training run under the reference's names.

    Call `create` to make one: it fills in the values that depend on the model size, which the
    constructor does not. For each hparam the first of these that has a value decides: the user, the
    model size, `debug`, the default below. Derived values are properties, so they follow from the final
    values.

    The other modules do not receive the whole configuration, but the part that they need: `networks`,
    `records`, `objective`, `optimisation`, `step`, `evaluation`, `schedule` or `devices`.
    """

    data_dir: str
    model_name: str

    # What to do
    debug: bool = hparam(False, doc="a short run of a narrow model, to see that all works")
    do_train: bool = hparam(True, doc="pre-train")
    do_eval: bool = hparam(False, doc="evaluate the last checkpoint on the held-out records")

    # Model
    model_size: str = hparam(
        "small", tuple(SIZES), "sets widths and the defaults that go with them"
    )
    custom_layer_list: LayerString | None = hparam(
        None,
        doc="letters CCAF..., digits 0012... or a list; by default LV-BERT-small's string"
        " (large: AF x 24), or A and F in turn where num_hidden_layers is overridden",
    )
    model_hparam_overrides: ModelOverrides = hparam(
        ModelOverrides(), doc="widths, dropout and table sizes, e.g. {'hidden_size': 128}"
    )
    layer_types: str | None = hparam(
        None,
        doc="train a supernet of these layer types, e.g. CAF; evaluations use custom_layer_list",
    )
    path_sampling: str = hparam(
        "uniform", ("uniform", "fair"), "a supernet's strings in a step: one, or one a layer type"
    )
    embedding_size: int | None = hparam(
        None, AT_LEAST_1, "width of the embeddings; null: the model size's"
    )
    vocab_size: int | None = hparam(
        None, AT_LEAST_1, "rows of the token table; null: the tokens in vocab_file"
    )
    vocab_size_multiple: int = hparam(
        1, AT_LEAST_1, "a null vocab_size is rounded up to its multiple; 64 suits GPUs and TPUs"
    )
    do_lower_case: bool = hparam(True, doc="lower-case the text")
    mask_convolution_padding: bool = hparam(
        True, doc="dynamic convolution reads padding as zeros; false for weights of the reference"
    )

    # Objective
    electra_objective: bool = hparam(True, doc="replaced token detection; false: plain masked LM")
    electric_objective: bool = hparam(False, doc="Electric; implies two_tower_generator")
    gen_weight: float = hparam(1.0, AT_LEAST_0, "weight of the generator's loss")
    disc_weight: float = hparam(50.0, AT_LEAST_0, "weight of the discriminator's loss")
    mask_prob: float = hparam(0.15, OPEN_FRACTION, "share of tokens masked")
    disallow_correct: bool = hparam(False, doc="never sample the original token")
    temperature: float = hparam(1.0, POSITIVE, "temperature of the samples from the generator")

    # Generator
    uniform_generator: bool = hparam(False, doc="uniform replacements, without a generator")
    two_tower_generator: bool = hparam(False, doc="a left-to-right and a right-to-left generator")
    untied_generator: bool = hparam(True, doc="the generator has layers of its own")
    untied_generator_embeddings: bool = hparam(False, doc="the generator has its own embeddings")
    generator_layers: float = hparam(1.0, FRACTION, "share of the layers, from the embeddings up")
    generator_hidden_size: float = hparam(0.25, FRACTION, "width, share of the discriminator's")
    generator_layer_list: LayerString | None = hparam(
        None,
        doc="the generator's layers; by default the discriminator's, beside a supernet AFAF...",
    )

    # Optimisation
    learning_rate: float = hparam(5e-4, POSITIVE, "peak of the learning rate")
    lr_decay_power: float = hparam(1.0, POSITIVE, "exponent of the decay to zero; 1 is linear")
    weight_decay_rate: float = hparam(0.01, AT_LEAST_0, "decoupled; not of LayerNorm and biases")
    clip_norm: float = hparam(1.0, POSITIVE, "highest norm of the gradient over all weights")
    num_warmup_steps: int = hparam(10_000, AT_LEAST_0, "steps of linear warm-up")
    num_train_steps: int = hparam(1_000_000, AT_LEAST_1, "steps of the whole run")
    train_batch_size: int = hparam(128, BATCH, "sequences in a step, over all replicas")
    gradient_accumulation_steps: int = hparam(1, AT_LEAST_1, "parts of a batch, to save memory")
    max_seq_length: int = hparam(128, Range(5), "tokens in a record")
    seed: int = hparam(42, SEED, "for weights, data order, masking, sampling, dropout")
    init_checkpoint: str | None = hparam(
        None, doc="what to start from: a checkpoint of ours or the reference's, a compact preset"
    )

    # Speed
    precision: str = hparam(
        "auto", PRECISIONS, "number format of the layers; auto: the hardware's fastest one"
    )
    jit_compile: bool | str = hparam(
        "auto",
        JIT_COMPILE,
        "compile the whole training step with XLA; auto: on GPUs and TPUs",
    )
    iterations_per_loop: int = hparam(200, AT_LEAST_1, "most steps between returns to the host")

    # Evaluation, checkpoints and logs
    eval_batch_size: int = hparam(128, BATCH, "sequences in a batch of an evaluation")
    num_eval_steps: int = hparam(100, AT_LEAST_1, "most batches of an evaluation")
    eval_every_steps: int = hparam(10_000, AT_LEAST_0, "steps between evaluations; 0: at the end")
    log_steps: int = hparam(100, AT_LEAST_1, "steps between lines of metrics.jsonl")
    save_checkpoints_steps: int = hparam(50_000, AT_LEAST_1, "steps between checkpoints")
    keep_checkpoint_max: int | None = hparam(1, AT_LEAST_0, "checkpoints kept; 0 or null: all")

    # Files. "" means the usual path. In a path, {data_dir} is replaced by the data directory.
    pretrain_tfrecords: str = hparam("", doc="training records: paths, wildcards, commas between")
    eval_tfrecords: str = hparam("", doc="held-out records, likewise")
    vocab_file: str = hparam("", doc="the vocabulary, one token a line")
    model_dir: str = hparam("", doc="directory of checkpoints, metrics and the preset")
    skip_corrupt_records: bool = hparam(False, doc="leave out and count damaged records")
    allow_missing_manifest: bool = hparam(False, doc="accept records without a manifest.json")

    @classmethod
    def create(
        cls, data_dir: str, model_name: str, user_hparams: Mapping[str, Any]
    ) -> "PretrainingConfig":
        """Makes the configuration of a run from a user's hparams.

        Args:
          data_dir: the directory of vocab.txt, pretrain_tfrecords/ and models/.
          model_name: the name of the run's directory under models/.
          user_hparams: the user's values by name; see `user_hparams.load_hparams`.

        Raises:
          InputError: one line: a value is not allowed, and what is; or values exclude each other.
        """
        check_directory_name("model name", model_name)
        values = hparams.convert(cls, user_hparams)
        defaults = _DEBUG_HPARAMS if values.get("debug") else {}
        by_size = SIZES[values.get("model_size", "small")].hparams
        return cls(data_dir, model_name, **{**defaults, **by_size, **values})

    def __post_init__(self) -> None:
        hparams.check(self)
        for name in PATHS:  # replaces {data_dir}, so that one configs/*.toml fits every directory
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, expand_path(path, self.data_dir))
        self._default("custom_layer_list", self._default_layers())
        self._default("embedding_size", self.hidden_dim)
        records = "pretrain_tfrecords_512" if self.max_seq_length == 512 else "pretrain_tfrecords"
        directory = parse_path(self.data_dir)
        self._default("pretrain_tfrecords", str(directory / records / "pretrain_data.tfrecord*"))
        parts = divide_patterns(self.pretrain_tfrecords)
        beside = dict.fromkeys(parse_path(part).parent for part in parts)
        held_out = ",".join(str(folder / "held_out.tfrecord*") for folder in beside)
        self._default("eval_tfrecords", held_out)
        self._default("vocab_file", str(directory / "vocab.txt"))
        self._default("model_dir", str(directory / "models" / self.model_name))
        if self.electric_objective:
            object.__setattr__(self, "two_tower_generator", True)
        check_combinations(self)

    def _default(self, name: str, value: Any) -> None:
        if getattr(self, name) in (None, ""):
            object.__setattr__(self, name, value)

    def for_vocabulary(self, tokens: int) -> "PretrainingConfig":
        """Returns the configuration with a null `vocab_size` replaced by its value.

        Args:
          tokens: the number of tokens in the vocabulary.
        """
        if self.vocab_size is not None:
            return self
        rows = -(-tokens // self.vocab_size_multiple) * self.vocab_size_multiple
        return dataclasses.replace(self, vocab_size=rows)

    @property
    def hidden_dim(self) -> int:
        """Width of the discriminator's layers."""
        width = _DEBUG_HIDDEN_DIM if self.debug else SIZES[self.model_size].hidden_dim
        return self.model_hparam_overrides.hidden_size or width

    def _default_layers(self) -> LayerString:
        if self.model_hparam_overrides.num_hidden_layers:
            return LayerString("AF" * self.model_hparam_overrides.num_hidden_layers)
        layers = SIZES[self.model_size].layer_string
        layers = layers.first(_DEBUG_LAYERS) if self.debug else layers
        return interleaved(self.layer_types, len(layers)) if self.layer_types else layers

    @property
    def layer_string(self) -> LayerString:
        """The layers of the discriminator: the given ones, else the default ones."""
        assert self.custom_layer_list is not None  # filled in by the constructor
        return self.custom_layer_list

    @property
    def max_predictions_per_seq(self) -> int:
        """Slots for masked tokens in a sequence, at least 1.

        As in the reference, the share is `mask_prob` plus half a percent of the length, rounded down.
        """
        return max(1, int((self.mask_prob + 0.005) * self.max_seq_length))

    @property
    def discriminator(self) -> ModelConfig:
        """The encoder that the run is for, which the preset holds. A masked LM run has no other."""
        return discriminator_of(self)

    @property
    def generator(self) -> ModelConfig | None:
        """The encoder of the masked LM; see `Networks.generator`."""
        return generator_of(self)

    @property
    def wiring(self) -> Wiring:
        """Which networks there are. `electric_objective` takes precedence over `electra_objective`."""
        electra = "electra" if self.electra_objective else "masked_lm"
        return Wiring(
            objective="electric" if self.electric_objective else electra,
            layer_types=self.layer_types,
            untied_generator=self.untied_generator,
            untied_generator_embeddings=self.untied_generator_embeddings,
            uniform_generator=self.uniform_generator,
            two_tower_generator=self.two_tower_generator,
        )

    @property
    def networks(self) -> Networks:
        """The networks, for `ElectraPretrainer` and their costs."""
        return Networks(self.wiring, self.discriminator, self.generator)

    @property
    def training_flops(self) -> int:
        """FLOPs of one training step for one sequence; see `Networks.training_flops`."""
        return self.networks.training_flops(self.max_seq_length, self.max_predictions_per_seq)

    @property
    def records(self) -> RecordSettings:
        """What the model expects of the records, for `RecordSet`."""
        return hparams.part(RecordSettings, self)

    @property
    def objective(self) -> ObjectiveSettings:
        """How tokens are masked and losses weighted, for `PretrainingObjective`."""
        return hparams.part(ObjectiveSettings, self)

    @property
    def optimisation(self) -> OptimisationSettings:
        """The hparams of the optimiser and of its learning rate."""
        return hparams.part(OptimisationSettings, self)

    @property
    def step(self) -> StepSettings:
        """Batch, random numbers and compilation of a training step, for `pretraining_step`."""
        return hparams.part(StepSettings, self)

    @property
    def evaluation(self) -> EvaluationSettings:
        """How much of the held-out records an evaluation reads."""
        return hparams.part(EvaluationSettings, self)

    @property
    def schedule(self) -> Schedule:
        """At which steps the training loop logs, evaluates and saves."""
        return hparams.part(Schedule, self)

    @property
    def devices(self) -> DeviceSettings:
        """The devices to compute on, for `start_strategy`, and the number format."""
        return hparams.part(DeviceSettings, self)

    def to_json_dict(self) -> dict[str, Any]:
        """The content of `config.json`: the hparams, and under "derived" the values that follow."""
        return {
            "data_dir": self.data_dir,
            "model_name": self.model_name,
            "hparams": hparams.to_json(self),
            "derived": {
                "objective": self.wiring.objective,
                "max_predictions_per_seq": self.max_predictions_per_seq,
                "discriminator": self.discriminator.to_dict(),
                "generator": self.generator.to_dict() if self.generator else None,
            },
        }

    @classmethod
    def from_json_dict(cls, saved: Mapping[str, Any]) -> "PretrainingConfig":
        """Reads what `to_json_dict` wrote. Derived values are derived again.

        Raises:
          InputError: `saved` is not the configuration of a pre-training run.
        """
        for name, expected in (("data_dir", str), ("model_name", str), ("hparams", Mapping)):
            if not (isinstance(saved, Mapping) and isinstance(saved.get(name), expected)):
                raise InputError(f"not the configuration of a pre-training run: no {name!r}")
        paths = {name: saved[name] for name in ("data_dir", "model_name")}
        return hparams.build(cls, saved["hparams"], **paths)
