"""What a task is, which tasks there are, and how their files are read into examples."""
