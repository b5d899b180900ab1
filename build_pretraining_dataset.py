"""Builds pre-training records from text."""

from lvbert_tf.programs.build_data import run

if __name__ == "__main__":
    run()
