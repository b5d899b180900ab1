"""The parts of `benchmarks/compiled_step.py`: lower a step, compile it for a TPU, read the result."""
