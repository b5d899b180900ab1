"""LV-BERT in TensorFlow: pre-train, search, fine-tune and serve layer-variety language models."""

__version__ = "0.1.0"
