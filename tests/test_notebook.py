"""The example notebook, executed as a reader would."""

import os
from pathlib import Path

import keras
import nbclient
import nbformat

from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS
from lvbert_tf.training.model_directory import save_preset

ROOT = Path(__file__).parents[1]


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    keras.utils.set_random_seed(1)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["film", "the", "and", "of", "dull", "lovely", "funny", ".", ","]
    tokens = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), *words]
    backbone = LVBertBackbone(len(tokens), "AF", 2, 16, 32, max_sequence_length=64)
    save_preset((backbone, LVBertTokenizer(tokens)), tmp_path / "preset", 1)

    notebook = nbformat.read(ROOT / "examples" / "finetuning.ipynb", as_version=4)
    environment = {"LVBERT_ROOT": str(ROOT), "LVBERT_PRESET": str(tmp_path / "preset")}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute(env={**os.environ, **environment})
    printed = "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream"
    )
    assert "held out: accuracy" in printed
    assert "a lovely, funny film ->" in printed
    assert "task.weights.h5" in printed
