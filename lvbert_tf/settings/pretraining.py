"""The configuration of a pre-training run."""
# ruff: noqa: RUF009 - hparam() makes a dataclass field; it is no shared default

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvbert_tf import hparams
from lvbert_tf.architecture.layer_string import LayerString, interleaved
from lvbert_tf.architecture.model_config import OUTPUT_FIELDS, ModelConfig
from lvbert_tf.architecture.sizes import SIZES
from lvbert_tf.errors import InputError
from lvbert_tf.hparams import (
    AT_LEAST_0,
    AT_LEAST_1,
    FRACTION,
    OPEN_FRACTION,
    POSITIVE,
    Range,
    hparam,
)
from lvbert_tf.settings.combinations import check_combinations
from lvbert_tf.settings.model_overrides import ModelOverrides

__all__ = ["SIZES", "ModelConfig", "ModelOverrides", "PretrainingConfig"]

_NETWORKS = (
    "objective",
    "layer_types",
    "untied_generator",
    "untied_generator_embeddings",
    "uniform_generator",
    "two_tower_generator",
)

_PATHS = ("init_checkpoint", "pretrain_tfrecords", "eval_tfrecords", "vocab_file", "model_dir")

# A debug run is short and narrow. Its depth is the given layers'; only when none are given does it
# use the first 6 of its size. (The reference always takes 6, whatever the list says.)
_DEBUG_HPARAMS = {
    "train_batch_size": 8,
    "eval_batch_size": 4,
    "num_train_steps": 20,
    "num_eval_steps": 2,
    "iterations_per_loop": 1,
}
_DEBUG_HIDDEN_DIM = 144
_BERT_TOKENS = 30522  # what is counted with before a vocabulary is known
_DEBUG_LAYERS = 6


def check_directory_name(what: str, name: str) -> None:
    """Refuses a name that is a path, or none.

    Raises:
      InputError: saying what the name is for.
    """
    if name in ("", "..") or Path(name).name != name:
        raise InputError(f"{what} {name!r}: expected one directory name")


@dataclass(frozen=True)
class PretrainingConfig:
    """Every setting of a pre-training run, under the reference's names.

    Make one with `create`, which fills in what depends on the model size; the constructor only
    checks. Precedence, weakest first: the defaults below, debug, the model size, the user's
    hparams. Derived values are properties, so they follow the final values.
    """

    data_dir: str
    model_name: str

    # What to do
    debug: bool = hparam(False, doc="a short run of a narrow model, to see that everything works")
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
        doc="train a supernet of these types, e.g. CAF; custom_layer_list is what is evaluated",
    )
    path_sampling: str = hparam(
        "uniform", ("uniform", "fair"), "strings of a supernet in a step: one, or one a layer type"
    )
    embedding_size: int | None = hparam(None, AT_LEAST_1, "width of the embeddings, by size")
    vocab_size: int | None = hparam(
        None, AT_LEAST_1, "rows of the token table; null: as many as vocab_file has tokens"
    )
    vocab_size_multiple: int = hparam(
        1, AT_LEAST_1, "a null vocab_size is rounded up to its multiple; 64 suits GPUs and TPUs"
    )
    do_lower_case: bool = hparam(True, doc="lower-case the text")
    mask_convolution_padding: bool = hparam(
        True, doc="dynamic convolution sees padding as zeros; false for reference weights"
    )

    # Objective
    electra_objective: bool = hparam(True, doc="replaced token detection; false: plain masked LM")
    electric_objective: bool = hparam(False, doc="Electric; implies two_tower_generator")
    gen_weight: float = hparam(1.0, AT_LEAST_0, "weight of the generator's loss")
    disc_weight: float = hparam(50.0, AT_LEAST_0, "weight of the discriminator's loss")
    mask_prob: float = hparam(0.15, OPEN_FRACTION, "share of tokens masked")
    disallow_correct: bool = hparam(False, doc="never sample the original token")
    temperature: float = hparam(1.0, POSITIVE, "of sampling from the generator")

    # Generator
    uniform_generator: bool = hparam(False, doc="replacements uniform over the vocabulary")
    two_tower_generator: bool = hparam(False, doc="a left-to-right and a right-to-left generator")
    untied_generator: bool = hparam(True, doc="the generator has layers of its own")
    untied_generator_embeddings: bool = hparam(False, doc="the generator has its own embeddings")
    generator_layers: float = hparam(1.0, FRACTION, "share of the layers, from the embeddings up")
    generator_hidden_size: float = hparam(0.25, FRACTION, "width, share of the discriminator's")
    generator_layer_list: LayerString | None = hparam(
        None,
        doc="the generator's own layers; by default the discriminator's, a supernet's: AFAF...",
    )

    # Optimisation
    learning_rate: float = hparam(5e-4, POSITIVE, "peak")
    lr_decay_power: float = hparam(1.0, POSITIVE, "of the polynomial decay to zero; 1 is linear")
    weight_decay_rate: float = hparam(0.01, AT_LEAST_0, "decoupled, not on LayerNorm and biases")
    num_warmup_steps: int = hparam(10_000, AT_LEAST_0, "steps of linear warm-up")
    num_train_steps: int = hparam(1_000_000, AT_LEAST_1, "steps in all")
    train_batch_size: int = hparam(128, AT_LEAST_1, "sequences a step, over all replicas")
    gradient_accumulation_steps: int = hparam(1, AT_LEAST_1, "parts a batch is computed in")
    max_seq_length: int = hparam(128, Range(5), "tokens in a record")
    seed: int = hparam(42, AT_LEAST_0, "of weights, data order, masking, sampling and dropout")
    init_checkpoint: str | None = hparam(None, doc="weights to start from: ours or the reference's")

    # Speed
    precision: str = hparam(
        "auto",
        ("auto", "float32", "bfloat16", "float16"),
        "of the layers' arithmetic; auto: bfloat16 where the hardware has it",
    )
    jit_compile: bool = hparam(False, doc="compile the training step with XLA")
    iterations_per_loop: int = hparam(200, AT_LEAST_1, "steps between returns to the host")

    # Evaluation, checkpoints and logs
    eval_batch_size: int = hparam(128, AT_LEAST_1, "sequences")
    num_eval_steps: int = hparam(100, AT_LEAST_1, "batches in an evaluation, at most")
    eval_every_steps: int = hparam(10_000, AT_LEAST_0, "steps between evaluations; 0: at the end")
    log_steps: int = hparam(100, AT_LEAST_1, "steps between lines of metrics.jsonl")
    save_checkpoints_steps: int = hparam(50_000, AT_LEAST_1, "steps between checkpoints")
    keep_checkpoint_max: int | None = hparam(1, AT_LEAST_0, "checkpoints kept; 0 or null: all")

    # Files; empty stands for the usual place, {data_dir} in a path for the data directory
    pretrain_tfrecords: str = hparam("", doc="pattern of the training records")
    eval_tfrecords: str = hparam("", doc="pattern of the held-out records")
    vocab_file: str = hparam("", doc="one token a line")
    model_dir: str = hparam("", doc="where checkpoints, metrics and the preset go")
    skip_corrupt_records: bool = hparam(False, doc="count damaged records and go on")
    allow_missing_manifest: bool = hparam(False, doc="accept records without manifest.json")

    # TPU
    use_tpu: bool = hparam(False, doc="train on a TPU")
    num_tpu_cores: int = hparam(1, AT_LEAST_1, "cores of the TPU")
    tpu_job_name: str | None = hparam(None, doc="name of the TPU worker's job")
    tpu_name: str | None = hparam(None, doc="name or address of the TPU")
    tpu_zone: str | None = hparam(None, doc="Cloud zone of the TPU")
    gcp_project: str | None = hparam(None, doc="Cloud project of the TPU")

    @classmethod
    def create(
        cls, data_dir: str, model_name: str, user_hparams: Mapping[str, Any]
    ) -> "PretrainingConfig":
        """Makes the configuration of a run from a user's hparams.

        Args:
          data_dir: holds vocab.txt, pretrain_tfrecords/ and models/.
          model_name: names the directory under models/.
          user_hparams: see `hparams.load_hparams`.

        Raises:
          InputError: one line naming the hparam, its value and what is allowed.
        """
        check_directory_name("model name", model_name)
        values = hparams.convert(cls, user_hparams)
        defaults = _DEBUG_HPARAMS if values.get("debug") else {}
        by_size = SIZES[values.get("model_size", "small")].hparams
        return cls(data_dir, model_name, **{**defaults, **by_size, **values})

    def __post_init__(self) -> None:
        hparams.check(self)
        self._expand_data_dir()
        self._default("custom_layer_list", self._default_layers())
        self._default("embedding_size", self._hidden_dim)
        records = "pretrain_tfrecords_512" if self.max_seq_length == 512 else "pretrain_tfrecords"
        directory = Path(self.data_dir)
        self._default("pretrain_tfrecords", str(directory / records / "pretrain_data.tfrecord*"))
        held_out = Path(self.pretrain_tfrecords).parent / "held_out.tfrecord*"
        self._default("eval_tfrecords", str(held_out))
        self._default("vocab_file", str(directory / "vocab.txt"))
        self._default("model_dir", str(directory / "models" / self.model_name))
        if self.electric_objective:
            object.__setattr__(self, "two_tower_generator", True)
        check_combinations(self)

    def _expand_data_dir(self) -> None:
        # So that one configs/*.toml fits every data directory.
        for name in _PATHS:
            path = getattr(self, name)
            if path is not None:
                expanded = hparams.expand_path(path, self.data_dir)
                object.__setattr__(self, name, expanded)

    def _default(self, name: str, value: Any) -> None:
        if getattr(self, name) in (None, ""):
            object.__setattr__(self, name, value)

    def for_vocabulary(self, tokens: int) -> "PretrainingConfig":
        """Gives a null `vocab_size` its value for a vocabulary of so many tokens."""
        if self.vocab_size is not None:
            return self
        rows = -(-tokens // self.vocab_size_multiple) * self.vocab_size_multiple
        return dataclasses.replace(self, vocab_size=rows)

    @property
    def _hidden_dim(self) -> int:
        width = _DEBUG_HIDDEN_DIM if self.debug else SIZES[self.model_size].hidden_dim
        return self.model_hparam_overrides.hidden_size or width

    def _default_layers(self) -> LayerString:
        if self.model_hparam_overrides.num_hidden_layers:
            return LayerString("AF" * self.model_hparam_overrides.num_hidden_layers)
        layers = SIZES[self.model_size].layer_string
        layers = layers.first(_DEBUG_LAYERS) if self.debug else layers
        return interleaved(self.layer_types, len(layers)) if self.layer_types else layers

    @property
    def objective(self) -> str:
        """What is trained: "electric", "electra" or "masked_lm"; Electric wins over ELECTRA."""
        if self.electric_objective:
            return "electric"
        return "electra" if self.electra_objective else "masked_lm"

    @property
    def layer_string(self) -> LayerString:
        """The discriminator's layers: the given list, else the default."""
        assert self.custom_layer_list is not None  # filled in by the constructor
        return self.custom_layer_list

    @property
    def max_predictions_per_seq(self) -> int:
        """Slots for masked tokens in a sequence: the masked share of its length, at least 1."""
        return max(1, int((self.mask_prob + 0.005) * self.max_seq_length))

    @property
    def has_own_generator(self) -> bool:
        """Whether a generator with weights of its own is trained beside the discriminator."""
        return (
            self.objective != "masked_lm" and self.untied_generator and not self.uniform_generator
        )

    @property
    def discriminator(self) -> ModelConfig:
        """The encoder that is kept; under the masked LM objective, the only one."""
        overrides = self.model_hparam_overrides
        hidden_dim = self._hidden_dim
        return ModelConfig(
            vocabulary_size=self.vocab_size or _BERT_TOKENS,
            layer_string=self.layer_string,
            hidden_dim=hidden_dim,
            num_heads=overrides.num_attention_heads or max(1, hidden_dim // 64),
            intermediate_dim=overrides.intermediate_size or 4 * hidden_dim,
            embedding_dim=self.embedding_size or hidden_dim,
            dropout=overrides.hidden_dropout_prob,
            attention_dropout=overrides.attention_probs_dropout_prob,
            max_sequence_length=overrides.max_position_embeddings,
            num_segments=overrides.type_vocab_size,
            initializer_range=overrides.initializer_range,
            mask_convolution_padding=self.mask_convolution_padding,
        )

    @property
    def generator(self) -> ModelConfig | None:
        """The masked LM's encoder; of a two-tower generator, each tower.

        None with a uniform generator; the discriminator's where one network plays both (tied
        weights, or the masked LM objective).
        """
        if self.uniform_generator:
            return None
        if not self.has_own_generator:
            return self.discriminator
        hidden_dim = max(1, round(self._hidden_dim * self.generator_hidden_size))
        depth = len(self.layer_string)
        layers = interleaved("AF", depth) if self.layer_types else self.layer_string
        layers = self.generator_layer_list or layers.first(
            max(1, round(depth * self.generator_layers))
        )
        return self.discriminator.replace(
            layer_string=layers,
            hidden_dim=hidden_dim,
            num_heads=max(1, hidden_dim // 64),
            intermediate_dim=4 * hidden_dim,
            embedding_dim=(
                hidden_dim if self.untied_generator_embeddings else self.discriminator.embedding_dim
            ),
        )

    def to_json_dict(self) -> dict[str, Any]:
        """The content of `config.json`: final hparams, and under "derived" what follows."""
        return {
            "data_dir": self.data_dir,
            "model_name": self.model_name,
            "hparams": hparams.to_json(self),
            "derived": {
                "objective": self.objective,
                "max_predictions_per_seq": self.max_predictions_per_seq,
                "discriminator": self.discriminator.to_dict(),
                "generator": self.generator.to_dict() if self.generator else None,
            },
        }

    @classmethod
    def from_json_dict(cls, saved: Mapping[str, Any]) -> "PretrainingConfig":
        """Reads what `to_json_dict` wrote; derived values are derived again."""
        for name, expected in (("data_dir", str), ("model_name", str), ("hparams", Mapping)):
            if not (isinstance(saved, Mapping) and isinstance(saved.get(name), expected)):
                raise InputError(f"not the configuration of a pre-training run: no {name!r}")
        paths = {name: saved[name] for name in ("data_dir", "model_name")}
        return hparams.build(cls, saved["hparams"], **paths)

    def architecture_difference(self, other: "PretrainingConfig") -> list[str]:
        """What keeps the weights of `other` from being continued with this configuration.

        Returns:
          lines such as "hidden_dim: 256 here, 384 there"; empty if the networks are the same.
        """
        lines = [
            f"{name}: {getattr(self, name)} here, {getattr(other, name)} there"
            for name in _NETWORKS
            if getattr(self, name) != getattr(other, name)
        ]
        lines += self.discriminator.differences(other.discriminator, OUTPUT_FIELDS)
        if self.has_own_generator and other.has_own_generator:
            assert self.generator is not None and other.generator is not None
            lines += [
                f"generator {line}"
                for line in self.generator.differences(other.generator, OUTPUT_FIELDS)
                if line not in lines
            ]
        return lines
