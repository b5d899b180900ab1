"""The parts of `precision_quality.py`: the experiment and its report."""
