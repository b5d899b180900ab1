"""Training the models of tasks, and predicting with them."""
