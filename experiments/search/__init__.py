"""What `search_quality.py` is made of: the experiment, its trainings, its statistics, its report."""
