"""Models as SavedModels that need TensorFlow and its text operations alone."""
