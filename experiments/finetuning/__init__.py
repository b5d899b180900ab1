"""What `finetuning_quality.py` is made of: the experiment, its data, its programs, its report."""
