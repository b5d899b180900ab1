"""Pre-training: corpus to records to batches, masking, corruption and the training step."""
