"""The example notebook, executed where a reader opens it: in its folder, with the package installed."""

import os
from pathlib import Path

import keras
import nbclient
import nbformat

from lvbert_tf.models import LVBertBackbone, LVBertTokenizer
from lvbert_tf.runs.model_directory import save_preset
from lvbert_tf.text.vocabulary import SPECIAL_TOKENS

ROOT = Path(__file__).parents[1]


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    keras.utils.set_random_seed(1)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["film", "the", "and", "of", "dull", "lovely", "funny", ".", ","]
    tokens = [*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), *words]
    backbone = LVBertBackbone(len(tokens), "AF", 2, 16, 32, max_sequence_length=64)
    save_preset((backbone, LVBertTokenizer(tokens)), tmp_path / "preset", 1)

    folder = ROOT / "examples"
    notebook = nbformat.read(folder / "finetuning.ipynb", as_version=4)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    client = nbclient.NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**environment, "LVBERT_PRESET": str(tmp_path / "preset")})
    printed = "".join(
        output["text"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream"
    )
    assert "held out: accuracy" in printed
    assert "a lovely, funny film ->" in printed
    assert "task.weights.h5" in printed
