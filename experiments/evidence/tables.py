"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown(header: Sequence[object], rows: Iterable[Sequence[object]], texts: int = 1) -> str:
    """Makes a table.

    Args:
      header: the names of all columns.
      rows: the rows, each of as many cells.
      texts: how many of the first columns are text; the others are numbers.
    """
    rule = ["---"] * texts + ["--:"] * (len(header) - texts)
    lines: list[Sequence[object]] = [header, rule, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
