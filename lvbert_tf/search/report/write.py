"""Writing the report of a search into its directory."""

import os
from pathlib import Path

from lvbert_tf.search.report.page import report_html
from lvbert_tf.search.report.results import Results
from lvbert_tf.search.report.tables import candidates_csv, report_json
from lvbert_tf.search.report.winner import best_toml


def write_report(directory: Path, results: Results) -> None:
    """Writes report.html, report.json, candidates.csv and best.toml.

    Each is written under a temporary name and renamed, so a reader of a search that goes on sees a
    whole file, the old one or the new. The same results make the same bytes.

    Args:
      directory: of the search; exists.
      results: what is reported.

    Raises:
      InputError: the candidates or the references were not given the fitness.
    """
    contents = {
        "candidates.csv": candidates_csv(results),
        "report.json": report_json(results),
        "best.toml": best_toml(results),
        "report.html": report_html(results),
    }
    for name, text in contents.items():
        _replace(directory / name, text)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
