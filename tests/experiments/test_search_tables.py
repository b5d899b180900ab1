"""The tables of `experiments/search_quality.py`, from results that are made up."""

import json

import pytest

from experiments.search import experiment, tables
from experiments.search.experiment import (
    ABLATION,
    BASELINE,
    SEARCHED,
    SUPERNETS,
    TRIALS,
    Alone,
)
from experiments.search.results import SearchResults, processor_hours
from experiments.search.schedule import measured_strings
from experiments.search.training import result_path
from lvbert_tf.errors import InputError


def loss(string, seed=1):
    """The more convolutions the better, the later seeds worse."""
    places = sum(2.0**-index for index, letter in enumerate(string) if letter == "C")
    return 0.4 - 0.02 * places + 0.001 * (seed - 1)


def metrics(value):
    return {"disc_loss": value, "disc_auc": 1 - value, "disc_accuracy": 0.9}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of supernets that rank as the strings alone, but a trial that ranks the other way round."""
    output_dir = tmp_path_factory.mktemp("results")
    (output_dir / "results").mkdir()

    def write(training, scores):
        content = {"seconds": {"all": 36.0}, "scores": scores}
        result_path(output_dir, training).write_text(json.dumps(content))

    space = experiment.all_strings(experiment.search_space())
    for supernet in (*SUPERNETS[SEARCHED].values(), ABLATION):
        write(supernet, {string: metrics(2 * loss(string)) for string in space})
    strings = measured_strings(output_dir, SEARCHED)
    for trial in TRIALS:
        write(trial, {string: metrics(1 - loss(string)) for string in strings})
    for string in strings:
        write(Alone(SEARCHED, string, 1), {string: metrics(loss(string))})
    for seed in (2, 3):
        write(Alone(SEARCHED, BASELINE, seed), {BASELINE: metrics(loss(BASELINE, seed))})
    return SearchResults(output_dir, SEARCHED)


def row(table, *cells):
    """The one row that begins with these cells, without them."""
    start = "| " + " | ".join(cells) + " |"
    (line,) = (line for line in table.splitlines() if line.startswith(start))
    return [cell.strip() for cell in line.removeprefix(start).split("|")[:-1]]


def test_the_strings_chosen_beforehand_come_first(results):
    assert len(set(results.strings)) == len(results.strings) > 1 + experiment.NUM_RANDOM
    assert results.strings[: 1 + experiment.NUM_RANDOM] == experiment.random_strings()


def test_ranking(results):
    table = tables.ranking(results)
    best = min(results.strings, key=loss)
    for fitness in ("disc_loss", "disc_auc"):
        tau, rho, *_, chosen, place, regret = row(table, "uniform", fitness)
        assert tau.startswith("1.00") and rho.startswith("1.00")
        assert (chosen, place, regret) == (best, "1", "0.0000")
    tau, *_, chosen, place, regret = row(table, TRIALS[0].label, "disc_loss")
    worst = max(map(loss, results.strings))
    assert tau.startswith("-1.00")
    assert float(regret) == pytest.approx(worst - loss(best), abs=2e-3)  # the baseline's seeds
    assert int(place) > len(results.strings) - 2
    assert row(table, "fair", "disc_accuracy")[0].startswith("nan")  # they are all alike


def test_noise_is_that_of_the_baselines_seeds(results):
    assert row(tables.noise(results), "disc_loss")[2] == "0.0010"


def test_strings_are_in_order_with_their_seeds(results):
    table = tables.strings(results)
    listed = [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]]
    means = [loss(string, 2 if string == BASELINE else 1) for string in listed]
    assert sorted(listed) == sorted(results.strings)
    assert means == sorted(means)
    parameters, seeds, value, *_ = row(table, BASELINE)
    assert (parameters, seeds, float(value)) == ("416,448", "3", pytest.approx(0.401))


def test_comparison_gives_means_and_the_difference(results):
    space = experiment.search_space()
    compared = {"itself": BASELINE}
    parameters, _, mean, *_, gain = row(tables.comparison(results, compared), "itself", BASELINE)
    assert int(parameters.replace(",", "")) == space.max_parameters.value
    # The deviation is 0.001, and Student's t for 3 values is 4.303.
    assert (mean, gain) == ("0.4010 (0.3985 to 0.4035)", "")


def test_processor_time_is_added_up(results):
    files = len(list((results.output_dir / "results").iterdir()))
    assert processor_hours(results.output_dir, [SEARCHED]) == pytest.approx(files / 100)
    assert processor_hours(results.output_dir, ["masked_lm"]) == 0


def test_results_of_another_experiment_are_refused(tmp_path, monkeypatch):
    experiment.claim(tmp_path / "new")
    experiment.claim(tmp_path / "new")
    monkeypatch.setattr(experiment, "SCORING_BATCHES", 7)
    with pytest.raises(InputError, match=r"another experiment \(it differs in scoring\)"):
        experiment.claim(tmp_path / "new")


def test_a_training_is_found_by_its_name():
    trainings = [
        Alone("electra", "CAFCAF", 12),
        *SUPERNETS["masked_lm"].values(),
        ABLATION,
        *TRIALS,
    ]
    assert [experiment.training_named(training.name) for training in trainings] == trainings
    for name in ("nothing", "electra-CAFCAF", "electra-CAFCAF-x", "electra-supernet-x"):
        with pytest.raises(InputError, match=f"--training {name}: not OBJECTIVE-STRING-SEED"):
            experiment.training_named(name)
