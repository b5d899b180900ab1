"""Reading and writing the checkpoints of other code bases."""

from lvbert_tf.interop.reference_checkpoint import load_reference_checkpoint

__all__ = ["load_reference_checkpoint"]
