"""The reference's checkpoints, converted to our form."""

import pytest
from conversions import CODES, fixture_hparams

from lvbert_tf.conversion.conversion import convert


@pytest.fixture(scope="session")
def presets(fixtures, tmp_path_factory):
    """A directory with a model for each of `CODES`; not to be changed."""
    directory = tmp_path_factory.mktemp("presets")
    for name in CODES:
        source = fixtures / name
        path = str(source / "model.ckpt")
        convert("reference", "preset", path, str(directory / name), fixture_hparams(source))
    return directory
