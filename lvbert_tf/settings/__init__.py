"""What a user sets for a run, checked. Nothing here knows TensorFlow."""
