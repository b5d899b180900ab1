"""The hparams of the optimiser."""

from dataclasses import dataclass

from lvbert_tf.hparams import OPEN_FRACTION, POSITIVE, Range, hparam

_BETA = Range(0, 1, open_high=True)


@dataclass(frozen=True, kw_only=True)
class OptimizerHparams:
    """The hparams of the optimiser, without its learning rate and weight decay.

    Attributes:
      optimizer: "adam" or "lamb"; both have Adam's moments.
      adam_beta_1, adam_beta_2: the decay of the first and of the second moment.
      adam_epsilon: what is added to the square root of the second moment.
      ema_decay: the decay of the averages of the weights; None keeps none.
    """

    optimizer: str = hparam(
        "adam", ("adam", "lamb"), "the reference's Adam; or LAMB, for batches of many thousands"
    )
    adam_beta_1: float = hparam(0.9, _BETA, "decay of the first moment")
    adam_beta_2: float = hparam(0.999, _BETA, "decay of the second moment")
    adam_epsilon: float = hparam(1e-6, POSITIVE, "added to the root of the second moment")
    ema_decay: float | None = hparam(
        None, OPEN_FRACTION, "decay of averaged weights, e.g. 0.9999, to evaluate and to keep"
    )
