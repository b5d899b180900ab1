"""Training infrastructure: distribution, precision, optimizer, loop, checkpoints and logs."""

from lvbert_tf.training.optimizer import ReferenceAdam
from lvbert_tf.training.schedules import WarmupPolynomialDecay

__all__ = ["ReferenceAdam", "WarmupPolynomialDecay"]
