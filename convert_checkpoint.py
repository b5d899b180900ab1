"""Converts a model between the reference's checkpoints, Hugging Face's ELECTRA, and ours."""

from lvbert_tf.programs.convert import run

if __name__ == "__main__":
    run()
