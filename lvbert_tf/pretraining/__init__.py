"""Pre-training: masking, corruption, the objective, its gradients, evaluation and the program."""
