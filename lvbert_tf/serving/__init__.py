"""Exporting models for servers and fast engines, and answering texts with what was exported."""

from lvbert_tf.serving.predictor import Predictor, load

__all__ = ["Predictor", "load"]
