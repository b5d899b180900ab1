"""Describes a SavedModel to MLflow's model server.

  python -m examples.mlflow_model --saved_model SERVING/sst/1 --output_dir MLFLOW/sst
  mlflow models serve --model-uri MLFLOW/sst --env-manager local --host 127.0.0.1 --port 5000

Writes MLFLOW/sst/: `MLmodel`, which names the SavedModel relative to itself and the inputs of the
signature, and `code/`, two imports that give the server tensorflow-text's operations. The SavedModel
stays where it is and as it is.

Exit codes: 0 done, 2 bad input.
"""

from absl import flags

from lvbert_tf import cli
from lvbert_tf.serving.mlflow_model import write_mlflow_model

FLAGS = flags.FLAGS
flags.DEFINE_string("saved_model", None, "The directory of one version of a model.", required=True)
flags.DEFINE_string("output_dir", None, "The directory that MLflow takes.", required=True)
flags.DEFINE_string("signature", "serving_default", "The signature to serve; its inputs are texts.")
flags.DEFINE_bool("overwrite", False, "Replace what this program wrote there before.")


def main() -> None:
    """Writes the description."""
    write_mlflow_model(FLAGS.output_dir, FLAGS.saved_model, FLAGS.signature, FLAGS.overwrite)


if __name__ == "__main__":
    cli.run(main)
