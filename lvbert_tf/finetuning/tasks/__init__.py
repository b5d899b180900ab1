"""What a task is, and reading its files."""
