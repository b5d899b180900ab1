"""The settings of pre-training by owner: what each part of a run receives.

The names are those of the hparams. The networks, the devices and the schedule have files of their own.
"""

from dataclasses import dataclass

from lvbert_tf.settings.optimizer import OptimizerHparams


@dataclass(frozen=True)
class RecordSettings:
    """What the model expects of records, and whether to accept records that are damaged or undescribed.

    Attributes:
      max_seq_length: tokens of an example.
      do_lower_case: whether the text was lower-cased; None accepts either.
      allow_missing_manifest: whether to accept files without a manifest, such as the reference's.
        Their records are then counted by reading them.
      skip_corrupt_records: whether to read all files through first (about 300 MB/s) and leave out
        what is damaged.
    """

    max_seq_length: int
    do_lower_case: bool | None = None
    allow_missing_manifest: bool = False
    skip_corrupt_records: bool = False


@dataclass(frozen=True)
class ObjectiveSettings:
    """How tokens are masked and sampled, and how the losses are weighted.

    Attributes:
      mask_prob: share of the real tokens to predict.
      max_predictions_per_seq: slots for predictions in a sequence.
      gen_weight, disc_weight: weights of the generator's and the discriminator's loss.
      temperature: the temperature at which the generator's replacements are sampled.
      disallow_correct: whether the original token is never sampled.
      electric_objective: whether the objective is Electric's.
    """

    mask_prob: float
    max_predictions_per_seq: int
    gen_weight: float
    disc_weight: float
    temperature: float
    disallow_correct: bool
    electric_objective: bool


@dataclass(frozen=True)
class OptimisationSettings(OptimizerHparams):
    """The hparams of the optimiser and of its learning-rate schedule.

    Attributes:
      learning_rate: the peak of the learning rate.
      lr_decay_power: exponent of the polynomial decay to zero.
      num_warmup_steps: steps of linear warm-up.
      num_train_steps: steps of the whole run, warm-up included.
      weight_decay_rate: decoupled weight decay.
    """

    learning_rate: float
    lr_decay_power: float
    num_warmup_steps: int
    num_train_steps: int
    weight_decay_rate: float


@dataclass(frozen=True)
class StepSettings:
    """The batch of a training step, its random numbers, and how it is compiled.

    Attributes:
      train_batch_size: sequences of the global batch.
      gradient_accumulation_steps: into how many parts a replica divides its share of the batch; it
        computes one after the other and adds up their gradients.
      seed: the seed of initial weights, data order, masking, sampling and dropout.
      clip_norm: the norm that the gradient over all weights is clipped to.
      path_sampling: how the paths of a supernet are drawn, "uniform" or "fair".
      jit_compile: whether XLA compiles the whole training step; "auto": on GPUs and TPUs.
    """

    train_batch_size: int
    gradient_accumulation_steps: int
    seed: int
    clip_norm: float
    path_sampling: str
    jit_compile: bool | str


@dataclass(frozen=True)
class EvaluationSettings:
    """How much of the held-out records an evaluation reads.

    Attributes:
      eval_batch_size: sequences of a batch.
      num_eval_steps: the highest number of batches.
    """

    eval_batch_size: int
    num_eval_steps: int
