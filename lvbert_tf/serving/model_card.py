"""Writes the model card of an exported model."""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lvbert_tf.serving.servable_model import ServableModel


def model_card(
    model: ServableModel,
    name: str,
    license_name: str,
    precision: str,
    files: Mapping[str, Mapping[str, str]],
) -> str:
    """Makes a page in Markdown that describes a model.

    Args:
      model: the exported model.
      name: the name under which servers know it.
      license_name: the license of the weights.
      precision: the precision of the exported model.
      files: for each format the file of each signature of token ids.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    signatures = {
        name: (
            _described({spec.name: spec for spec in graph.input_signature}),
            _described(graph.get_concrete_function().structured_outputs),
        )
        for name, graph in model.signatures.items()
    }
    return environment.get_template("model_card.md.j2").render(
        model=model,
        name=name,
        signatures=signatures,
        license_name=license_name,
        precision=precision,
        files=files,
        parameters=sum(weight.shape.num_elements() for weight in model.weights),
        tensorflow=tf.version.VERSION,
    )


def _described(specs: Mapping[str, tf.TensorSpec]) -> str:
    """Lists tensors with their types and shapes, e.g. "`text` string [?]"."""
    return "; ".join(
        f"`{name}` {spec.dtype.name} [{', '.join('?' if n is None else str(n) for n in spec.shape)}]"
        for name, spec in specs.items()
    )
