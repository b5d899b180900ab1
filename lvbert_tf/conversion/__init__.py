"""Converts models between this package, the reference's code and Hugging Face's transformers."""
