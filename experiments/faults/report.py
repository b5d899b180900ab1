"""The table of a campaign."""

from collections.abc import Sequence

from experiments.evidence.tables import markdown
from experiments.faults.results import Row


def report(rows: Sequence[Row]) -> str:
    """A table with a row for each group of cases, and below it a line for each case that is not good."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.part, row.group), []).append(row)
    table = markdown(
        ("part", "what", "cases", "killed", "as they should be", "identical files"),
        [
            (
                *(part, group, len(found), sum(row.result.kills for row in found) or ""),
                sum(row.result.good for row in found),
                _identical(found),
            )
            for (part, group), found in groups.items()
        ],
        texts=2,
    )
    bad = [
        f"{row.part}, {row.name}: {row.result.lost} ({row.result.message})"
        for row in rows
        if not row.result.good
    ]
    return "\n".join([table, "", *bad])


def _identical(rows: Sequence[Row]) -> str:
    compared = [row.result.identical for row in rows if row.result.identical is not None]
    return f"{sum(compared)} of {len(compared)}" if compared else ""
