"""The URL of a study's database: what is wrong with one, without ever showing a password."""

import sqlalchemy
from sqlalchemy.engine.interfaces import Dialect

from lvbert_tf.errors import InputError

_DATABASES = ("sqlite", "postgresql", "mysql")  # that Optuna writes to
# What pip calls a driver, where that is another name.
_PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "mysqldb": "mysqlclient",
    "mysqlconnector": "mysql-connector-python",
}


def parse_url(text: str) -> sqlalchemy.URL:
    """Reads a URL, and looks for the driver that it asks for.

    Raises:
      InputError: it is none, has a character that divides it elsewhere than was meant, or is of a
        database or a driver that is not there. The message has no part of a text whose parts are
        uncertain.
    """
    kind, _, rest = text.partition("://")
    if not kind.startswith("sqlite") and rest.count("@") > 1:
        raise InputError(
            "--storage has more than one @, so where the password ends is not certain: write %40 for"
            " an @ in it (and %25 for %), or leave the password to PGPASSWORD or ~/.pgpass"
        )
    try:
        url = sqlalchemy.make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError):  # their messages may have the password
        raise InputError(
            "--storage is not the URL of a database, such as sqlite:///search.db or"
            " postgresql://user:password@host/name"
        ) from None
    _check_driver(url)
    return url


def shown(url: sqlalchemy.URL) -> str:
    """A URL for messages: neither user nor password nor options, which may hold one."""
    return sqlalchemy.URL.create(
        url.drivername, host=url.host, port=url.port, database=url.database
    ).render_as_string()


def _check_driver(url: sqlalchemy.URL) -> None:
    kind = url.get_backend_name()
    if kind not in _DATABASES:
        hint = "; write postgresql://" if kind == "postgres" else ""
        raise InputError(
            f"--storage is of the database {kind!r}, not one of {', '.join(_DATABASES)}{hint}"
        )
    try:
        dialect: type[Dialect] = url.get_dialect()
    except sqlalchemy.exc.NoSuchModuleError:
        raise InputError(
            f"--storage: SQLAlchemy knows no {url.drivername}; {kind}:// takes the usual driver"
        ) from None
    if dialect.is_async:
        raise InputError(
            f"--storage: {dialect.driver} is an asynchronous driver; {kind}:// takes the usual one"
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:
        package = _PACKAGES.get(dialect.driver, dialect.driver)
        raise InputError(
            f"--storage {url.drivername}:// needs the driver {dialect.driver}, which cannot be"
            f" imported ({error}); pip install '{package}' brings it"
        ) from error
