"""What a fine-tuning run writes and shows of its trials."""
