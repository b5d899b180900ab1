"""Searches for a layer string: trains a supernet, scores its strings, reports the best."""

from lvbert_tf.programs.search import run

if __name__ == "__main__":
    run()
