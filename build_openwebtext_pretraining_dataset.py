"""Builds pre-training records from OpenWebText as it is distributed."""

from lvbert_tf.programs.build_openwebtext import run

if __name__ == "__main__":
    run()
