"""Writing the report of a search into its directory."""

from pathlib import Path

from lvbert_tf.files import replace_file
from lvbert_tf.search.report.page import report_html
from lvbert_tf.search.report.results import Results
from lvbert_tf.search.report.tables import candidates_csv, report_json
from lvbert_tf.search.report.winner import best_toml


def write_report(directory: Path, results: Results) -> None:
    """Writes report.html, report.json, candidates.csv and best.toml.

    A reader of a search that goes on sees whole files. The same results make the same bytes.

    Args:
      directory: of the search; exists.
      results: what is reported.

    Raises:
      InputError: the candidates or the references were not given the fitness, or a file cannot be
        written.
    """
    contents = {
        "candidates.csv": candidates_csv(results),
        "report.json": report_json(results),
        "best.toml": best_toml(results),
        "report.html": report_html(results),
    }
    for name, text in contents.items():
        replace_file(directory / name, text)
