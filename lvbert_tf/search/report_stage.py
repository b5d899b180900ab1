"""The last stage of the search program: the report, from what has been scored so far."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import optuna
import tensorflow as tf

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.io.sealed import read_sealed_json
from lvbert_tf.search.candidate import Candidate
from lvbert_tf.search.corrupted_set import CorruptedSet
from lvbert_tf.search.experiment import Experiment
from lvbert_tf.search.report.files import write_report
from lvbert_tf.search.report.findings import Findings
from lvbert_tf.search.report.quantities import quantity
from lvbert_tf.search.trials import candidates


def report(experiment: Experiment) -> None:
    """Writes the report and prints the comparison. Needs neither the supernet nor the records.

    Raises:
      InputError: nothing has been scored; a file or a study is damaged or was made with something
        else.
    """
    if not experiment.held_out_path.exists():
        raise InputError(f"nothing to report: no string has been scored in {experiment.directory}")
    held_out = CorruptedSet.load(experiment.held_out_path)
    provenance = dataclasses.asdict(held_out.provenance)
    scored = candidates(experiment.open_study(provenance))
    at_random: list[Candidate] = []
    if random_settings := experiment.random_settings:
        at_random = candidates(experiment.open_random_study(random_settings, provenance))
    findings = Findings(
        name=experiment.name,
        candidates=scored,
        space=experiment.space,
        settings=experiment.settings,
        pretraining_hparams=experiment.winner_hparams,
        references=_read_references(experiment),
        random_search=at_random,
        facts=_facts(experiment, held_out, [*scored, *at_random]),
    )
    write_report(experiment.directory, findings)
    _print(experiment, findings)


def _read_references(experiment: Experiment) -> dict[LayerString, Mapping[str, float]]:
    path = experiment.references_path
    if not path.exists():  # the search was stopped before
        return {}
    try:
        return {
            LayerString.parse(string): {name: float(value) for name, value in scores.items()}
            for string, scores in read_sealed_json(path).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not hold scores by string; remove it, and --stage search makes it again"
        ) from error


def _facts(
    experiment: Experiment, held_out: CorruptedSet, scored: Sequence[Candidate]
) -> dict[str, Any]:
    config, steps = experiment.config, held_out.provenance.checkpoint_step
    batches, batch_size = held_out.features["token_ids"].shape[:2]
    sequences = batches * batch_size
    return {
        "strings of the space": experiment.space.size,
        "supernet": {
            "steps": steps,
            "FLOPs": float(config.training_flops * config.train_batch_size * steps),
        },
        "scoring": {
            "strings": len(scored),
            "held-out sequences": sequences,
            "FLOPs": float(sequences * sum(candidate.flops for candidate in scored)),
            "seconds": sum(candidate.seconds for candidate in scored),
        },
        "precision": held_out.provenance.precision,
        "seed": config.seed,
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "optuna": optuna.__version__,
        },
    }


def _print(experiment: Experiment, findings: Findings) -> None:
    name = experiment.settings.fitness
    fitness = quantity(name)
    print(f"{fitness.label}, with the supernet's weights:")
    for compared in findings.comparison:
        string = str(compared.string or "")
        print(f"  {fitness.text(compared.metrics[name])}  {compared.label:32} {string}".rstrip())
    print(f"written to {experiment.directory}:")
    for file, what in (
        ("best.toml", "the best string, for run_pretraining.py --hparams"),
        ("report.html", "the report, for a browser"),
        ("report.json, candidates.csv", "the same as data"),
    ):
        print(f"  {file}: {what}")
