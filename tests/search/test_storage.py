"""Journals that were cut, damaged or locked; databases that cannot be reached."""

import fcntl
import json
import os
import time

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from synthetic import make_settings, open_synthetic

from lvbert_tf.errors import InputError
from lvbert_tf.layer_string import LayerString
from lvbert_tf.search import storage as storage_module
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.storage import open_storage
from lvbert_tf.search.trials import enqueue


@pytest.fixture
def journal(tmp_path):
    """A journal of a study with two waiting trials, the second one its last record."""
    study, space = open_synthetic(tmp_path, make_settings(num_layers=2))
    enqueue(study, space, 0, [Proposal(LayerString(s * 2), "random", 0) for s in "CA"])
    return tmp_path / "study.journal"


def read(path):
    """The study of a journal, without Optuna's waiting for locks."""
    return optuna.load_study(study_name="synthetic", storage=open_storage(path))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(storage_module, "ATTEMPT_SECONDS", 0.0)


def refused(path, url="") -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as caught:
        open_storage(path, url)
    assert before is None or path.read_bytes() == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_journal_cut_anywhere_in_its_last_record_is_gone_on_with(journal):
    content = journal.read_bytes()
    last = content[:-1].rfind(b"\n") + 1
    whole = [trial.user_attrs for trial in read(journal).trials]
    assert len(content) - last > 300
    for end in range(last, len(content) + 1):
        journal.write_bytes(content[:end])
        study = read(journal)
        kept = [trial.user_attrs for trial in study.trials]
        assert kept == whole[: 2 if end == len(content) else 1]
        study.set_user_attr("note", end)
        after = journal.read_bytes()
        assert after.startswith(content[: end if end == len(content) else last])
        assert all(json.loads(line) for line in after.splitlines())
        again = read(journal)
        assert again.user_attrs["note"] == end
        assert [trial.user_attrs for trial in again.trials] == kept


def test_a_process_that_lives_goes_on_after_the_torn_record_of_one_that_was_killed(journal):
    study = read(journal)
    assert len(study.trials) == 2
    with journal.open("ab") as file:
        file.write(b'{"op_code":6,"worker_id":"x","trial')
    assert len(study.trials) == 2
    study.set_user_attr("note", 1)
    assert study.user_attrs["note"] == read(journal).user_attrs["note"] == 1


def test_zeros_that_a_crash_left_are_cut_off(journal):
    content = journal.read_bytes()
    journal.write_bytes(content + bytes(10_000))  # longer than one block
    read(journal).set_user_attr("note", 1)
    assert journal.read_bytes().startswith(content)
    assert read(journal).user_attrs["note"] == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: [*lines[:3], b"{]\n", *lines[3:]], "line 4 is no record of a study"),
        (lambda lines: [*lines, b"[1, 2]\n"], "is no record"),
        (lambda lines: [*lines, b'{"op_code": "x"}\n'], "is no record"),
        (lambda lines: [*lines, b"[" * 100_000 + b"\n"], "is no record"),
        (lambda lines: [*lines, b"some text"], "is no record"),
        (lambda lines: [*lines, b'{"op_code":99,"worker_id":"x"}\n'], "contradict each other"),
        (lambda lines: [*lines, b'{"op_code":6,"worker_id":"x"}\n'], "contradict each other"),
    ],
)
def test_a_damaged_journal_is_refused_and_kept(journal, damage, words):
    journal.write_bytes(b"".join(damage(journal.read_bytes().splitlines(keepends=True))))
    message = refused(journal)
    assert words in message and "nothing was changed" in message and str(journal) in message


def test_what_is_no_journal_is_refused(tmp_path):
    other = tmp_path / "picture"
    other.write_bytes(b"\x89PNG without a line break")
    assert "line 1 is no record" in refused(other)
    assert "Is a directory" in refused(tmp_path)


def test_a_journal_that_another_process_holds_is_refused_after_a_while(journal, monkeypatch):
    monkeypatch.setattr(storage_module, "LOCK_SECONDS", 0.05)
    study = read(journal)
    content = journal.read_bytes()
    descriptor = os.open(journal, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(InputError, match="has been locked by another process for"):
        study.set_user_attr("note", 1)
    assert journal.read_bytes() == content
    os.close(descriptor)
    study.set_user_attr("note", 2)
    assert read(journal).user_attrs["note"] == 2


def test_the_lock_files_of_optuna_do_not_stop_us(journal):
    os.symlink(journal, f"{journal}.lock")  # as a killed process leaves it
    start = time.monotonic()
    read(journal).set_user_attr("note", 1)
    assert time.monotonic() - start < 5


def test_a_journal_that_cannot_be_written_is_refused(journal, monkeypatch):
    def no_open(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(path))

    study = read(journal)
    monkeypatch.setattr(storage_module.os, "open", no_open)
    with pytest.raises(InputError, match="Permission denied"):
        study.set_user_attr("note", 1)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "the storage is not the URL of a database"),
        ("oracel://me:secret@host/db", "oracel://me:***@host/db"),
        ("postgresql+pg8000://me:secret@localhost:1/db", r"pg8000://me:***@localhost:1/db"),
        ("sqlite:////no/such/directory/x.db", "unable to open database file"),
    ],
)
def test_databases_that_cannot_be_opened_are_refused(tmp_path, url, words):
    message = refused(tmp_path / "none", url)
    assert words in message and "secret" not in message


def test_a_database_whose_tables_another_process_is_making_is_tried_again(tmp_path, monkeypatch):
    storage, attempts = storage_module.RDBStorage, []

    def racing(url):
        attempts.append(url)
        if len(attempts) == 1:
            raise sqlalchemy.exc.OperationalError("CREATE", {}, Exception("table already exists"))
        return storage(url)

    monkeypatch.setattr(storage_module, "RDBStorage", racing)
    url = f"sqlite:///{tmp_path}/x.db"
    open_storage(tmp_path / "none", url)
    assert attempts == [url, url]


def test_a_database_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("some text, long enough that it could be the head of a database " * 20)
    assert "file is not a database" in refused(path, f"sqlite:///{path}")


def test_a_database_that_fails_later_is_reported_in_one_line(tmp_path):
    path = tmp_path / "x.db"
    study, _ = open_synthetic(tmp_path, make_settings(), f"sqlite:///{path}")
    path.write_bytes(b"overwritten" * 1000)
    with pytest.raises(InputError, match="the study's database failed") as caught:
        open_synthetic_again(study)
    assert "\n" not in str(caught.value)


def open_synthetic_again(study):
    with storage_module.database_errors():
        study.get_trials(states=(TrialState.RUNNING,))
        study.set_user_attr("note", 1)
