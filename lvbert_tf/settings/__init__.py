"""What a user sets for a run, checked, and divided among those who need it. Without TensorFlow."""
