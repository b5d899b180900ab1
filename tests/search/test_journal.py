"""Journals that were cut, damaged or locked."""

import fcntl
import json
import os
import re
import time

import optuna
import pytest
from synthetic import make_settings, open_synthetic

from lvbert_tf.architecture.layer_string import LayerString
from lvbert_tf.errors import InputError
from lvbert_tf.search import journal as journal_module
from lvbert_tf.search.journal import open_journal
from lvbert_tf.search.samplers import Proposal
from lvbert_tf.search.trials import Places, enqueue


@pytest.fixture
def journal(tmp_path):
    """A journal of a study with two waiting trials, the second one its last record."""
    study, space = open_synthetic(tmp_path, make_settings(num_layers=2))
    enqueue(Places(study), space, 0, [Proposal(LayerString(s * 2), "random", 0) for s in "CA"])
    return tmp_path / "study.journal"


def read(path):
    """The study of a journal, without Optuna's waiting for locks."""
    return optuna.load_study(study_name="synthetic", storage=open_journal(path))


def refused(path) -> str:
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError) as caught:
        open_journal(path)
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


def test_a_digit_that_is_another_is_found(journal):
    content = journal.read_bytes()
    digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    for place in digits[:: len(digits) // 40]:
        other = b"1" if content[place : place + 1] == b"0" else b"0"
        journal.write_bytes(content[:place] + other + content[place + 1 :])
        assert "is no record of a study" in refused(journal)


def test_a_journal_of_an_earlier_release_has_no_checksums(journal):
    records = [json.loads(line) for line in journal.read_bytes().splitlines()]
    assert all(record.pop("checksum") for record in records)
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert len(read(journal).trials) == 2


def test_what_is_no_journal_is_refused(tmp_path):
    other = tmp_path / "picture"
    other.write_bytes(b"\x89PNG without a line break")
    assert "line 1 is no record" in refused(other)
    assert "Is a directory" in refused(tmp_path)


def test_a_journal_that_another_process_holds_is_refused_after_a_while(journal, monkeypatch):
    monkeypatch.setattr(journal_module, "LOCK_SECONDS", 0.05)
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
    monkeypatch.setattr(journal_module.os, "open", no_open)
    with pytest.raises(InputError, match="Permission denied"):
        study.set_user_attr("note", 1)


def test_a_journal_on_a_full_disk_is_named_and_gone_on_with(journal, full_disk):
    study = read(journal)
    said = re.escape(f"cannot write {journal}: File too large")
    with full_disk(journal.stat().st_size + 10), pytest.raises(InputError, match=said):
        study.set_user_attr("note", 1)
    read(journal).set_user_attr("note", 2)
    assert read(journal).user_attrs["note"] == 2
