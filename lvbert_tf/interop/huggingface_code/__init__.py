"""The PyTorch code that is copied beside an LV-BERT for Hugging Face; nothing here imports it."""
