"""Writing corpora and reading them."""

import io
import tarfile
import zipfile
from pathlib import Path

from lvbert_tf.records.corpus import Corpus

TEXT = "one two\nthree\n\n  \nfour\nfive\n"
DOCUMENTS = [["one two", "three"], ["four", "five"]]


def documents(location, **options) -> list[list[str]]:
    """The corpus as lists of lines that are not blank."""
    found = []
    for starts, text in Corpus(str(location), **options).read():
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        if starts:
            found.append(lines)
        else:
            found[-1] += lines
    return found


def tar_of(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def make_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", TEXT)
