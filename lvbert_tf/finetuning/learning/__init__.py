"""Training and predicting with the models of tasks."""
