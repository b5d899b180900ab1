"""Models built from the layers: the backbone, the supernet and the ELECTRA pre-trainer."""

from lvbert_tf.models.backbone import LVBertBackbone
from lvbert_tf.models.electra_pretrainer import ElectraPretrainer
from lvbert_tf.models.supernet import Supernet

__all__ = ["ElectraPretrainer", "LVBertBackbone", "Supernet"]
