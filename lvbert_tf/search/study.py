"""The log of a search: an Optuna study that knows what it was made with."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage

from lvbert_tf import hparams
from lvbert_tf.errors import InputError
from lvbert_tf.search.candidate import DIRECTIONS
from lvbert_tf.search.settings import SearchSettings
from lvbert_tf.search.space import SearchSpace
from lvbert_tf.search.storage import open_storage

# Settings that are compared with the space, where defaults are filled in, and those that may change:
# more generations continue a search.
_NOT_COMPARED = (
    *("num_layers", "layer_types", "max_parameters", "max_flops"),
    *("num_generations", "compare_with_random"),
)


def open_study(
    directory: Path,
    name: str,
    space: SearchSpace,
    settings: SearchSettings,
    seed: int,
    evaluator: Mapping[str, Any],
    storage_url: str = "",
) -> optuna.Study:
    """Opens the study of a search, and creates it where there is none.

    What it was made with is kept as user attributes of the study.

    Args:
      directory: of the search; `study.journal` is there.
      name: of the search, and of the study.
      space, settings, seed: see `search`.
      evaluator: what else the scores depend on (the supernet, the held-out batches), as JSON types.
      storage_url: a database that several machines share, instead of the journal.

    Raises:
      InputError: the study was made with something else, naming what differs; or see
        `open_storage`.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = open_storage(directory / "study.journal", storage_url)
    made_with = {
        "space": space.to_dict(),
        "settings": {
            name: value
            for name, value in hparams.to_json(settings).items()
            if name not in _NOT_COMPARED
        },
        "seed": seed,
        "evaluator": json.loads(json.dumps(dict(evaluator))),
    }
    if not storage_url:
        _check_name(directory, name, storage)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=[DIRECTIONS[name] for name in settings.objectives],
        load_if_exists=True,
    )
    _claim(study, made_with, settings.objectives)
    return study


def _check_name(directory: Path, name: str, storage: BaseStorage) -> None:
    names = optuna.get_all_study_names(storage)
    if names and name not in names:
        raise InputError(
            f"the journal in {directory} holds the search {names[0]!r}, not {name!r}; give the"
            " directory its name back"
        )


def _claim(study: optuna.Study, made_with: dict[str, Any], objectives: list[str]) -> None:
    """Writes what a new study is made with, and compares an old one."""
    missing = made_with.keys() - study.user_attrs.keys()
    if missing and study.get_trials(deepcopy=False):
        raise InputError(f"the study {study.study_name!r} has trials but is not of a layer search")
    for name in sorted(missing):  # all of them, unless the process that made the study was killed
        study.set_user_attr(name, made_with[name])
    # Read again, as another process may have made the study at the same time.
    if differences := _differences(made_with, study.user_attrs):
        raise InputError(
            f"the study {study.study_name!r} was made with something else"
            f" ({'; '.join(differences)}); use another --search_name, or what it was made with"
        )
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(objectives)


def _differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """`name: value here, value there` for each name that differs, those of nested tables too."""
    lines = []
    for name, value in here.items():
        other = there.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            lines += _differences({key: value.get(key) for key in {**value, **other}}, other)
        elif value != other:
            lines.append(f"{name}: {value} here, {other} there")
    return lines
