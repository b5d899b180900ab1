"""What an encoder is, as values: its layer types, their costs. Nothing here knows TensorFlow."""
