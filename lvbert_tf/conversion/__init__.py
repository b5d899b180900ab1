"""Converting checkpoints between this package, the reference and Hugging Face."""
