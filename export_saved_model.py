"""Exports a model as a SavedModel that TensorFlow Serving, or TensorFlow alone, can run."""

from lvbert_tf.programs.export import run

if __name__ == "__main__":
    run()
