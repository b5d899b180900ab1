"""Models built from the layers: the backbone and the ELECTRA pre-trainer."""

from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.electra_pretrainer import ElectraPretrainer

__all__ = ["ElectraPretrainer", "LVBertBackbone"]
