"""From a corpus to records, and from records to batches."""
