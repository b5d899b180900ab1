"""What pre-training on books is worth: the parts of `experiments/books_quality.py`."""
