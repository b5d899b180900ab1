"""Training infrastructure: distribution, precision, optimizer, loop, checkpoints and logs."""
