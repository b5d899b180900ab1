"""Files with one word in each line and its tag in a column, as in CoNLL's shared tasks and CoNLL-U."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lvbert_tf.errors import InputError
from lvbert_tf.finetuning.tasks.bad_rows import RowError, shown
from lvbert_tf.finetuning.tasks.lines import checked_text, read_lines

Line = tuple[int, str]  # the number and the text of a line
_Cells = tuple[int, list[str]]  # the number and the cells of a line

_BLANKS = re.compile(r"[ \t]+")
_DOCUMENT_START = re.compile(r"[ \t]*-DOCSTART-(?:[ \t]|$)")
# A range such as 3-4 has the text of words that follow one by one; 8.1 is a word that the text lacks.
_NO_WORD = re.compile(r"[0-9]+[-.][0-9]+")
# What headers call the columns. A first line with a name of both kinds is no word and its tag.
_WORD_NAMES = {"word", "words", "token", "tokens", "form"}
_TAG_NAMES = {"tag", "tags", "label", "labels", "pos", "upos", "ner", "ner_tag", "ner_tags"}


@dataclass(frozen=True)
class ColumnFormat:
    """The columns of a file.

    Args:
      word, tag: the columns of words and tags, from 0; negative numbers count from the end.
      comments: a line that begins with one of them is left out, and so is a line of -DOCSTART-.
      tabs: whether tabs separate columns. None: they do if the first line has one; otherwise spaces
        do. Between tabs a cell may hold spaces, or nothing. Only spaces and tabs are blank: a no-break
        space or an ideographic space is part of a word.
      conllu: whether the file is CoNLL-U, which numbers words in its first column and has `_` for an
        unknown tag.
    """

    word: int = 0
    tag: int = -1
    comments: tuple[str, ...] = ()
    tabs: bool | None = None
    conllu: bool = False

    @classmethod
    def of_suffix(
        cls, suffix: str, word: int | None = None, tag: int | None = None, comment: str = ""
    ) -> "ColumnFormat":
        """The format of files with a suffix.

        Args:
          suffix: .txt, .conll, .conllu or .tsv.
          word, tag: their columns; None for the usual ones: first and last, or FORM and UPOS of CoNLL-U.
          comment: the beginning of lines to leave out, besides the comments of CoNLL-U.
        """
        conllu = suffix == ".conllu"
        usual_word, usual_tag = (1, 3) if conllu else (0, -1)
        return cls(
            usual_word if word is None else word,
            usual_tag if tag is None else tag,
            tuple(prefix for prefix in (comment, "#" * conllu) if prefix),
            True if suffix in (".tsv", ".conllu") else None,
            conllu,
        )


class ColumnFile:
    """The sentences of a file.

    Args:
      path: the file, which may be compressed.
      form: the columns of the file.
    """

    def __init__(self, path: Path, form: ColumnFormat):
        self.path = path
        self.form = form
        self._tabs = form.tabs
        self._first: _Cells | None = None

    def sentences(self) -> Iterator[list[Line]]:
        """Yields the lines of each sentence; a blank line ends a sentence.

        Raises:
          InputError: the file cannot be read.
        """
        sentence: list[Line] = []
        for number, line in read_lines(self.path):
            if not line.strip(" \t"):
                if sentence:
                    yield sentence
                sentence = []
            elif not (line.startswith(self.form.comments) or _DOCUMENT_START.match(line)):
                if self._tabs is None:
                    self._tabs = "\t" in line
                sentence.append((number, line))
        if sentence:
            yield sentence

    def read(self, lines: list[Line], labelled: bool) -> tuple[list[str], list[str] | None]:
        """Divides the lines of a sentence into words and, if `labelled`, as many tags.

        Raises:
          RowError: a line has no word or no tag, or not as many columns as the others.
          InputError: the first line of the file is a header.
        """
        rows = [(number, self._split(number, line)) for number, line in lines]
        if self._first is None:
            self._first = rows[0]
            self._check_no_header(*self._first)
        if labelled:
            for number, cells in rows:
                if len(cells) < 2:
                    raise RowError(f"line {number} has no tag: {shown(cells[0])}{self._separator}")
        self._check_widths(rows)
        if self.form.conllu:
            rows = [row for row in rows if not _NO_WORD.fullmatch(row[1][0])]
        words = [self._cell(row, self.form.word, "word") for row in rows]
        tags = [self._cell(row, self.form.tag, "tag") for row in rows] if labelled else None
        if tags and self.form.conllu and "_" in tags:
            raise RowError(f"line {rows[tags.index('_')][0]} has no tag: '_'")
        return words, tags

    def _split(self, number: int, line: str) -> list[str]:
        if self._tabs:
            return [cell.strip(" ") for cell in line.split("\t")]
        line = line.strip(" \t")
        if "\t" in line:
            raise RowError(
                f"line {number} has a tab, but the first line has none, so spaces separate columns;"
                " use one of the two throughout"
            )
        return _BLANKS.split(line)

    def _check_no_header(self, number: int, cells: list[str]) -> None:
        """Refuses a first line that names the columns; it would become a word of the first sentence."""
        names = {cell.lower() for cell in cells}
        if names & _WORD_NAMES and names & _TAG_NAMES:
            raise InputError(
                f"{self.path}, line {number} is a header: {shown(' '.join(cells))}; files of words in"
                " columns have none, so remove it, or let comment leave it out"
            )

    def _check_widths(self, rows: Sequence[_Cells]) -> None:
        """Refuses lines with another number of columns than the first.

        A missing column, or one too many, shifts the columns that are counted from the end. Where spaces
        separate columns, a word with a space in it is two.
        """
        assert self._first is not None
        from_front = self.form.word >= 0 and self.form.tag >= 0
        # In CoNLL-2012 the number of columns differs between sentences, but not within one.
        first_number, first = rows[0] if from_front else self._first
        for number, cells in rows:
            if len(cells) != len(first):
                raise RowError(
                    f"line {number} has {len(cells)} columns where line {first_number} has"
                    f" {len(first)}{self._separator}"
                )

    def _cell(self, row: _Cells, index: int, what: str) -> str:
        number, cells = row
        if not -len(cells) <= index < len(cells):
            raise RowError(
                f"line {number} has no column {index}: {shown(' '.join(cells))}{self._separator}"
            )
        if not cells[index]:
            raise RowError(f"line {number} has an empty {what}: {shown(' '.join(cells))}")
        return checked_text(cells[index], f"column {index} of line {number}")

    @property
    def _separator(self) -> str:
        """The end of messages, which explains why a line has few or many columns."""
        return f"; {'tabs' if self._tabs else 'spaces'} separate columns"
