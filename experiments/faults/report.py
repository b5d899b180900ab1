"""The tables of a campaign."""

from collections import Counter
from collections.abc import Sequence

from experiments.evidence.tables import markdown
from experiments.faults.results import Row

_NOTHING = "nothing"
_MOST_CHARACTERS = 200  # of a message in the table of groups


def report(rows: Sequence[Row]) -> str:
    """A table with a row for each group of cases, and below it a line for each case that is not good."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.part, row.group), []).append(row)
    heads = ("part", "what", "lost of what was saved", "its most usual message")
    table = markdown(
        (*heads, "cases", "killed", "as they should be", "identical files"),
        [
            (
                *(part, _text(group), _lost(found), _usual_message(found)),
                *(len(found), sum(row.result.kills for row in found) or ""),
                *(sum(row.result.good for row in found), _identical(found)),
            )
            for (part, group), found in groups.items()
        ],
        texts=len(heads),
    )
    bad = [
        f"{row.part}, {row.name}: {row.result.lost} ({row.result.message})"
        for row in rows
        if not row.result.good
    ]
    return "\n".join([table, "", *bad])


def cases_table(rows: Sequence[Row]) -> str:
    """A table with a row for each case."""
    heads = ("part", "case", "lost of what was saved", "identical files", "message", "killed")
    return markdown(
        heads,
        [
            (
                *(row.part, _text(row.name), _text(row.result.lost) or _NOTHING),
                {True: "yes", False: "no", None: ""}[row.result.identical],
                _cell(row.result.message),
                row.result.kills or "",
            )
            for row in rows
        ],
        texts=len(heads) - 1,
    )


def _lost(rows: Sequence[Row]) -> str:
    return _text("; ".join(sorted({row.result.lost for row in rows} - {""}))) or _NOTHING


def _usual_message(rows: Sequence[Row]) -> str:
    messages = Counter(row.result.message for row in rows if row.result.message)
    return _cell(messages.most_common(1)[0][0][:_MOST_CHARACTERS]) if messages else ""


def _text(text: str) -> str:
    """A text in a cell of Markdown."""
    return text.replace("|", "\\|").replace("*", "\\*")


def _cell(message: str) -> str:
    """A message as code in a cell of Markdown."""
    text = message.replace("|", "\\|").replace("`", "'")
    return f"`{text}`" if text else ""


def _identical(rows: Sequence[Row]) -> str:
    compared = [row.result.identical for row in rows if row.result.identical is not None]
    return f"{sum(compared)} of {len(compared)}" if compared else ""
