"""What a fine-tuning run writes: results, tables, answers, submissions."""
