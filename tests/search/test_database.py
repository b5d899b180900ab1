"""Databases that are none, cannot be reached, or go away for a while; PostgreSQL is a real one."""

import builtins
import sqlite3
import threading
import time

import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from synthetic import make_settings, open_synthetic

from experiments.faults.postgresql import PASSWORD
from lvbert_tf.errors import InputError
from lvbert_tf.search import database
from lvbert_tf.search.database import open_database


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(database, "PAUSE_SECONDS", 0.01)


def refused(url) -> str:
    with pytest.raises(InputError) as caught:
        open_database(url)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "--storage is not the URL of a database"),
        ("postgresql:/me:secret@host/db", "--storage is not the URL of a database"),
        ("postgresql://me:secret@host:port/db", "--storage is not the URL of a database"),
        ("postgresql://me:secret", "--storage is not the URL of a database"),
        ("postgresql://me:se@cret@host/db", "more than one @"),
        ("postgresql://me:se@c/ret@host/db", "more than one @"),
        ("postgresql://me:se?c@ret@host/db", "more than one @"),
        ("mysql://me:se@c:ret@host/db", "write %40 for an @"),
        ("postgres://me:secret@host/db", "not one of sqlite, postgresql, mysql; write postgresql:"),
        ("oracel://me:secret@host/db", "'oracel', not one of sqlite, postgresql, mysql"),
        ("postgresql+pg9://me:secret@host/db", "no postgresql+pg9; postgresql:// takes the usual"),
        ("postgresql+asyncpg://me:secret@host/db", "asyncpg is an asynchronous driver"),
        ("postgresql://me:secret@localhost:1/db", "postgresql://localhost:1/db: connection"),
        ("postgresql://localhost:1/db?password=secret", "postgresql://localhost:1/db: connection"),
        ("postgresql://me:sec{ret@localhost:1/db", "postgresql://localhost:1/db: connection"),
        ("sqlite:////no/such/directory/x.db", "unable to open database file"),
        ("sqlite:///x.db?timeout=soon", "could not convert string to float"),
    ],
)
def test_what_cannot_be_opened_is_refused_without_its_password(url, words):
    message = refused(url)
    assert words in message
    assert not any(part in message for part in ("secret", "cret", "ret@", "ret}", "sec{", "me:"))


@pytest.mark.parametrize(
    ("url", "module", "driver", "package"),
    [
        ("postgresql://me:secret@host/db", "psycopg", "psycopg", "psycopg[binary]"),
        ("postgresql+psycopg2://me:secret@host/db", "psycopg2", "psycopg2", "psycopg2-binary"),
        ("mysql://me:secret@host/db", "MySQLdb", "mysqldb", "mysqlclient"),
        ("mysql+pymysql://me:secret@host/db", "pymysql", "pymysql", "pymysql"),
    ],
)
def test_a_missing_driver_is_named(monkeypatch, url, module, driver, package):
    import_ = builtins.__import__

    def without(name, *arguments, **options):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return import_(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    message = refused(url)
    assert f"needs the driver {driver}," in message
    assert f"pip install '{package}'" in message
    assert "secret" not in message


def test_a_database_whose_tables_another_process_is_making_is_tried_again(tmp_path, monkeypatch):
    attempts = []

    def racing(url):
        attempts.append(url)
        if len(attempts) == 1:
            raise sqlalchemy.exc.OperationalError("CREATE", {}, Exception("table already exists"))
        return RDBStorage(url)

    monkeypatch.setattr(database, "RDBStorage", racing)
    url = f"sqlite:///{tmp_path}/x.db"
    open_database(url)
    assert attempts == [url, url]


def test_a_database_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("some text, long enough that it could be the head of a database " * 20)
    assert "file is not a database" in refused(f"sqlite:///{path}")


def test_a_database_that_is_damaged_later_is_reported_at_once_in_one_line(tmp_path):
    path = tmp_path / "x.db"
    study, _ = open_synthetic(tmp_path, make_settings(), f"sqlite:///{path}")
    path.write_bytes(b"overwritten" * 1000)
    with pytest.raises(InputError, match="the study's database failed") as caught:
        study.get_trials(states=(TrialState.RUNNING,))
    assert "\n" not in str(caught.value)


def test_a_file_that_may_not_be_written_to_is_reported_at_once_in_one_line(tmp_path, monkeypatch):
    path = tmp_path / "x.db"
    open_synthetic(tmp_path, make_settings(), f"sqlite:///{path}")
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(
        InputError, match=r"failed .*attempt to write a readonly database"
    ) as caught:
        open_synthetic(tmp_path, make_settings(), f"sqlite:///file:{path}?mode=ro&uri=true")
    assert "\n" not in str(caught.value)


def test_a_file_that_another_process_writes_to_is_waited_for(tmp_path):
    path = tmp_path / "x.db"
    study, _ = open_synthetic(tmp_path, make_settings(), f"sqlite:///{path}?timeout=0.01")
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("BEGIN EXCLUSIVE")
    leaving = threading.Timer(0.5, writer.execute, ["COMMIT"])
    leaving.start()
    study.set_user_attr("note", 1)
    assert study.user_attrs["note"] == 1
    leaving.join()
    writer.close()


def test_a_wrong_password_is_one_line_without_it(server):
    message = refused(server.url.replace("p%40ss", "secret"))
    assert "password authentication failed" in message
    assert "secret" not in message and "w{o}rd" not in message


def test_an_operation_outlasts_a_server_that_is_started_again(server, tmp_path):
    study, _ = open_synthetic(tmp_path, make_settings(), server.url)
    server.stop()
    starting = threading.Timer(1.0, server.start)
    starting.start()
    study.set_user_attr("note", 1)
    assert study.user_attrs["note"] == 1
    starting.join()


def test_an_operation_outlasts_a_server_that_goes_away_between_its_statements(server, tmp_path):
    study, _ = open_synthetic(tmp_path, make_settings(), server.url)
    study.ask()
    engine, stopped = study._storage._backend.engine, []

    def stop(connection, cursor, statement, *rest):
        if "FROM trials" in statement and "ORDER BY" in statement and not stopped:
            server.stop()
            stopped.append(threading.Timer(1.0, server.start))
            stopped[0].start()

    sqlalchemy.event.listen(engine, "before_cursor_execute", stop)
    assert len(study.get_trials()) == 1
    stopped[0].join()


def test_a_server_that_stays_away_is_one_line_after_the_time_that_is_stated(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(database, "RETRY_SECONDS", 1.0)
    study, _ = open_synthetic(tmp_path, make_settings(), server.url)
    server.stop()
    try:
        began = time.monotonic()
        with pytest.raises(InputError, match=r"database failed.*run the same command") as caught:
            study.set_user_attr("note", 1)
        assert 1.0 <= time.monotonic() - began < 30.0
        assert "\n" not in str(caught.value)
        assert PASSWORD not in str(caught.value) and "p%40ss" not in str(caught.value)
        # What counts is the time since the last success, not that of each operation.
        monkeypatch.setattr(database, "PAUSE_SECONDS", 1000.0)
        with pytest.raises(InputError, match="database failed"):
            study.get_trials()
    finally:
        server.start()
    study.set_user_attr("note", 2)
    assert study.user_attrs["note"] == 2
