"""Opening a study: new, again, or one that was made with something else."""

import json

import optuna
import pytest
from synthetic import SEED, make_settings, make_space, open_synthetic

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search.limit import UNLIMITED, Limit
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.storage import open_storage
from lvbert_tf.search.study import open_study
from lvbert_tf.search.trials import Places, candidates, enqueue


@pytest.fixture(params=["journal", "database"])
def url(request, tmp_path):
    return "" if request.param == "journal" else f"sqlite:///{tmp_path}/x.db"


def refused(*arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        open_synthetic(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_study_says_what_it_was_made_with(tmp_path, url):
    study, space = open_synthetic(tmp_path, make_settings(sampler="nsga2", fitness="disc_auc"), url)
    assert study.study_name == "synthetic"
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["disc_auc", "parameters"]
    assert study.user_attrs["space"] == space.to_dict()
    assert study.user_attrs["seed"] == SEED
    assert study.user_attrs["settings"]["population_size"] == 10
    assert json.dumps(study.user_attrs)


def test_a_trial_reads_well(tmp_path, url):
    study, space = open_synthetic(tmp_path, make_settings(), url)
    enqueue(Places(study), space, 3, [Proposal(LayerString("CCAFFACF"), "mutation", 2)])
    (trial,) = study.trials
    assert trial.params == {f"layer_0{i}": layer for i, layer in enumerate("CCAFFACF", start=1)}
    assert trial.user_attrs == {
        "number": 3,
        "string": "CCAFFACF",
        "origin": "mutation",
        "generation": 2,
        "parameters": space.parameters(LayerString("CCAFFACF")),
        "flops": space.flops(LayerString("CCAFFACF")),
    }
    assert candidates(study) == []


def test_opening_again_and_asking_for_more_generations_continue(tmp_path, url):
    study, space = open_synthetic(tmp_path, make_settings(), url)
    enqueue(Places(study), space, 0, [Proposal(LayerString("C" * 8), "random", 0)])
    again, _ = open_synthetic(tmp_path, make_settings(num_generations=50), url)
    assert len(again.trials) == 1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"num_layers": 9}, "num_layers: 9 here, 8 there"),
        ({"layer_types": "CA"}, "layer_types: CA here, CAF there"),
        ({"max_flops": Limit(10**7)}, "max_flops: 10000000 here, unlimited there"),
        ({"max_parameters": UNLIMITED}, "max_parameters: unlimited here"),
        ({"sampler": "nsga2"}, "sampler: nsga2 here, evolution there"),
        ({"fitness": "disc_auc"}, "fitness: disc_auc here, disc_loss there"),
        ({"population_size": 11}, "population_size: 11 here, 10 there"),
        ({"path_sampling": "fair"}, "path_sampling: fair here, uniform there"),
    ],
)
def test_a_study_of_another_search_is_refused(tmp_path, changes, line):
    open_synthetic(tmp_path, make_settings())
    assert line in refused(tmp_path, make_settings(**changes))
    open_synthetic(tmp_path, make_settings())  # still what it was


def test_another_seed_model_or_evaluator_is_refused(tmp_path):
    space, settings = make_space(), make_settings()
    arguments = tmp_path, "synthetic", space, settings
    open_study(*arguments, 1, {"supernet": "a", "batches": 4})
    open_study(*arguments, 1, {"supernet": "a", "batches": 4})
    with pytest.raises(InputError, match=r"\(seed: 2 here, 1 there\)"):
        open_study(*arguments, 2, {"supernet": "a", "batches": 4})
    with pytest.raises(InputError, match=r"\(supernet: b here, a there; batches: None here, 4 th"):
        open_study(*arguments, 1, {"supernet": "b"})
    wider = make_space().encoder(LayerString("AF" * 4)).replace(hidden_dim=64)
    other = type(space)(8, "CAF", wider, 16)
    with pytest.raises(InputError, match="hidden_dim: 64 here, 32 there"):
        open_study(tmp_path, "synthetic", other, settings, 1, {"supernet": "a", "batches": 4})


def test_a_study_whose_making_was_killed_is_made_to_the_end(tmp_path):
    open_synthetic(tmp_path, make_settings())
    journal = tmp_path / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    for kept in range(len(lines)):
        journal.write_bytes(b"".join(lines[:kept]))
        study, space = open_synthetic(tmp_path, make_settings())
        assert study.user_attrs["space"] == space.to_dict()
        assert study.user_attrs["seed"] == SEED


def test_a_study_of_something_else_is_refused(tmp_path, url):
    storage = open_storage(tmp_path / "study.journal", url)
    study = optuna.create_study(study_name="synthetic", storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert "has trials but is not of a layer search" in refused(tmp_path, make_settings(), url)
    with pytest.raises(InputError, match="trial 0 of the study is no candidate"):
        candidates(study)


def test_a_journal_of_another_name_is_refused(tmp_path):
    open_study(tmp_path, "first", make_space(), make_settings(), 1, {})
    content = (tmp_path / "study.journal").read_bytes()
    with pytest.raises(InputError, match="holds the search 'first', not 'second'"):
        open_study(tmp_path, "second", make_space(), make_settings(), 1, {})
    assert (tmp_path / "study.journal").read_bytes() == content


def test_a_database_holds_many_searches(tmp_path):
    url = f"sqlite:///{tmp_path}/x.db"
    for name, num_layers in (("first", 8), ("second", 6)):
        settings = make_settings(num_layers=num_layers)
        study = open_study(tmp_path, name, make_space(num_layers), settings, 1, {}, url)
        assert study.study_name == name
    assert not (tmp_path / "study.journal").exists()


def test_optuna_says_nothing(tmp_path, capfd, url):
    study, space = open_synthetic(tmp_path, make_settings(), url)
    enqueue(Places(study), space, 0, [Proposal(LayerString("C" * 8), "random", 0)])
    assert capfd.readouterr() == ("", "")
