"""Fine-tuning on the reference's tasks and a user's own."""
