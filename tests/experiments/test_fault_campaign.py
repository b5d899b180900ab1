"""A small piece of the fault campaign: does it see what is lost and what is wrong?"""

import dataclasses
import json
import sys

import pytest

from experiments.faults import bad_commands, bad_files, damage, kills, surroundings
from experiments.faults.comparison import same
from experiments.faults.kill_targets import TARGETS, Target
from experiments.faults.programs import PATIENCE, Command, Ending, run
from experiments.faults.refusals import refusal
from experiments.faults.report import cases_table, report
from experiments.faults.results import Case, Result, Results, run_cases
from experiments.faults.storages import DISK, STORAGES, Storage
from experiments.faults.undisturbed import Undisturbed
from experiments.faults.world import Site, copy_of, write_inputs


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A site with records and nothing else."""
    site = Site(str(tmp_path_factory.mktemp("faults") / "world"))
    write_inputs(site)
    ending = run(site.build(learn_vocab_size=500))
    assert ending.status == 0, ending.said
    return site


READER = damage.Reader(
    "building again",
    ("corpus", "vocab.txt"),
    (),
    lambda site: site.build(),
    ("vocab.txt",),
    ("pretrain_tfrecords/*",),
)


@pytest.fixture(params=STORAGES)
def storage(request, tmp_path, bucket):
    return Storage.open(request.param, tmp_path)


@pytest.mark.slow
def test_records_whose_building_was_killed_are_those_of_an_undisturbed_one(
    world, tmp_path, storage
):
    undisturbed = Undisturbed(world, tmp_path / "undisturbed")
    (case,) = list(kills.cases(world, "build", 6, 0, storage, undisturbed))
    place = storage.directory / "case"
    result = case.run(place)
    assert result.good and result.identical and result.kills == 1, result
    assert not place.exists()
    (measured,) = (tmp_path / "undisturbed").iterdir()
    assert measured.name == f"build_{storage.name}.json"
    assert 0.1 < json.loads(measured.read_bytes()) < PATIENCE


@pytest.mark.slow
def test_lost_and_left_files_are_seen(world, storage):
    place = storage.directory / "case"
    world.file("pretrain_tfrecords", ".lock").write_bytes(b"")  # of the process that made them
    copy_of(world, place, "vocab.txt", "pretrain_tfrecords")
    (target,) = (target for target in TARGETS if target.part == "build")
    assert target.difference(world, place) == ""
    left = place / "pretrain_tfrecords" / (".tmp-x" if storage.name == DISK else ".lock")
    left.write_bytes(b"")
    assert target.difference(world, place) == f"left over: {left}"
    (place / "pretrain_tfrecords" / "manifest.json").unlink()
    assert "not those" in target.difference(world, place)


@pytest.mark.slow
def test_of_two_builds_in_a_directory_one_is_refused(world, storage):
    cases = surroundings.cases(world, "second", storage)
    (case,) = (case for case in cases if "records" in case.name)
    result = case.run(storage.directory / "case")
    assert result.good and result.message.startswith("error: "), result


@pytest.fixture
def killed(world, tmp_path, monkeypatch):
    """Kills once a program that does each time what the next text says, and takes two seconds at most.

    Returns:
      what came of it, and the seconds after which processes were killed.
    """

    def kill(*codes):
        started, waited = iter(codes), []

        class Recorded(kills.Running):
            def wait(self, seconds):
                waited.append(seconds)
                return super().wait(seconds)

        def start(site):
            return [Command([sys.executable, "-c", next(started), site.path("corpus", "more")])]

        target = Target("toy", "a toy", 1, ("corpus",), start, ("corpus/*",))
        monkeypatch.setattr(kills, "TARGETS", [target])
        monkeypatch.setattr(kills, "Running", Recorded)
        (tmp_path / "undisturbed").mkdir()
        (tmp_path / "undisturbed" / "toy_disk.json").write_text("2.0")
        undisturbed = Undisturbed(world, tmp_path / "undisturbed")
        storage = Storage.open(DISK, tmp_path)
        (case,) = kills.cases(world, "toy", 50, 0, storage, undisturbed)
        result = case.run(tmp_path / "case")
        return result, [seconds for seconds in waited if seconds < PATIENCE]

    return kill


NOTHING, SLOW = "pass", "import time; time.sleep(60)"


def test_kills_come_within_the_time_that_was_measured(killed):
    """The first process ends before it is killed, the second one does not."""
    result, moments = killed(NOTHING, SLOW)
    assert result.good and result.kills == 1, result
    assert len(moments) == 2 and all(0.6 <= moment <= 2.0 for moment in moments)


def test_what_was_all_written_when_it_was_killed_need_not_be_done_again(killed):
    result, _ = killed(SLOW, "raise AssertionError('started again')")
    assert result.good and result.kills == 1, result


def test_other_files_than_undisturbed_are_seen(killed):
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    result, _ = killed(f"{write}; {SLOW}", NOTHING)
    assert not result.good and "not those" in result.lost, result


@pytest.mark.slow
def test_a_wrong_answer_without_a_word_is_seen(world, tmp_path):
    def other_word(content):
        return content.replace(b"\nthe\n", b"\nthx\n")

    silent = damage.damage_case(world, READER, "vocab.txt", "a letter", other_word)
    result = silent.run(tmp_path / "case")
    assert not result.good and result.identical is False and "wrong answer" in result.lost
    assert (tmp_path / "case").exists()
    own = dataclasses.replace(READER, files=(), free=("vocab.txt",))
    assert (
        damage.damage_case(world, own, "vocab.txt", "a letter", other_word)
        .run(tmp_path / "case")
        .good
    )


@pytest.mark.slow
def test_a_damaged_vocabulary_is_refused(world, tmp_path):
    case = damage.damage_case(world, READER, "vocab.txt", "emptied", lambda content: b"")
    result = case.run(tmp_path / "case")
    assert result.good and "is empty" in result.message


@pytest.mark.slow
def test_bad_inputs_are_refused_and_good_ones_are_not(world, tmp_path):
    chosen = [
        case
        for case in (*bad_commands.cases(world), *bad_files.cases(world))
        if case.name in ("corpora: zeros", "vocabularies: empty", "hparams: broken JSON")
    ]
    assert len(chosen) == 3
    for case in chosen:
        result = case.run(tmp_path / "case")
        assert result.good and result.message.startswith("error: "), result
    good = refusal(
        world, "none", "nothing bad", lambda world, site: site.build(output_dir=site.path("out"))
    )
    result = good.run(tmp_path / "case")
    assert not result.good and result.lost == "exit code 0"


def test_all_cases_have_names_of_their_own(world, tmp_path, bucket):
    storages = [Storage.open(name, tmp_path) for name in STORAGES]
    undisturbed = Undisturbed(world, tmp_path / "undisturbed")

    def kills_of(part, storage):
        return kills.cases(world, part, 50, 0, storage, undisturbed)

    all_cases = [
        *(case for part in kills.PARTS for each in storages for case in kills_of(part, each)),
        *(case for each in storages for case in surroundings.cases(world, "second", each)),
        *damage.cases(world, 0),
        *bad_commands.cases(world),
        *bad_files.cases(world),
    ]
    assert len({case.key for case in all_cases}) == len(all_cases)
    refusals = [case for case in all_cases if case.part == "inputs"]
    assert len(refusals) >= 100


def test_a_campaign_goes_on_where_it_stopped(tmp_path):
    ran = []

    def case(name, good):
        def try_it(place):
            ran.append(name)
            said = f"{place}/it said | so"
            return Result(good, "" if good else "everything", good, said, kills=2)

        return Case("part", "group", name, try_it)

    results = Results(tmp_path)
    run_cases([case("a", True)], results, tmp_path, jobs=1)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('\n{"part": "cut sho')
    again = Results(tmp_path)
    run_cases([case("a", True), case("b", False)], again, tmp_path, jobs=1)
    run_cases([case("a", True), case("b", False)], again, tmp_path, jobs=1)
    assert ran == ["a", "b", "b"]  # after a mend, what was not good is tried again
    shown = report(again.rows())
    assert "| part | group | everything | `it said \\| so` | 2 | 4 | 1 | 1 of 2 |" in shown
    assert "part, b: everything (it said | so)" in shown
    each = cases_table(again.rows())
    assert "| part | a | nothing | yes | `it said \\| so` | 2 |" in each
    assert "| part | b | everything | no | `it said \\| so` | 2 |" in each


@pytest.mark.parametrize(
    ("status", "said", "refused", "broke"),
    [
        (2, "bar: 1%\rbar: 2%\nerror: no such file\n", True, False),
        (2, "error: one\nerror: two\n", False, False),
        (2, "error: one\nand more\n", False, False),
        (1, "Traceback (most recent call last):\nKeyError\n", False, True),
        (2, "Traceback (most recent call last):\nerror: x\n", False, True),
        (-11, "", False, True),
        (0, "", False, False),
    ],
)
def test_how_a_program_ended(status, said, refused, broke):
    ending = Ending(status, said, "", 1.0)
    assert (ending.is_refusal, ending.broke) == (refused, broke)


def test_trees_are_compared_without_times(tmp_path):
    for name, speed, loss in (("a", 1.0, 2.0), ("b", 9.0, 2.0), ("c", 1.0, 2.5)):
        (tmp_path / name).mkdir()
        line = {"step": 1, "loss": loss, "examples_per_second": speed}
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert same(tmp_path / "a", tmp_path / "b")
    assert not same(tmp_path / "a", tmp_path / "c")
    assert not same(tmp_path / "a", tmp_path / "nowhere")
    (tmp_path / "b" / "more.txt").write_text("")
    assert not same(tmp_path / "a", tmp_path / "b")
