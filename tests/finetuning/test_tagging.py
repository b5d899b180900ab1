"""Sentences in the columns of CoNLL."""

import pytest
from task_files import refusal, task_with

# CoNLL-2000: word, part of speech, chunk.
CHUNK = """Confidence NN B-NP
in IN B-PP
the DT B-NP
pound NN I-NP
# # I-NP
is VBZ B-VP
. . O

Mr. NNP B-NP
Carl NNP I-NP
slept VBD B-VP
"""
# CoNLL-2003 in its original scheme: I- begins an entity, B- only one that follows its like.
NER = """-DOCSTART- -X- -X- O

EU NNP B-NP I-ORG
rejects VBZ B-VP O
New NNP B-NP I-LOC
York NNP I-NP I-LOC
Boston NNP I-NP B-LOC
"""


def sentences(task, split, skip_bad_rows=False):
    examples = task.read(split, skip_bad_rows).examples
    return [(example.words, example.tags) for example in examples]


def test_chunks(tmp_path):
    task = task_with(tmp_path, "chunk", {"train.txt": CHUNK})
    first = ("Confidence", "in", "the", "pound", "#", "is", ".")
    assert sentences(task, "train") == [
        (first, ("B-NP", "B-PP", "B-NP", "I-NP", "I-NP", "B-VP", "O")),
        (("Mr.", "Carl", "slept"), ("B-NP", "I-NP", "B-VP")),
    ]
    assert str(task.read("train").examples[1].location).endswith("train.txt, line 9")


def test_entities_in_the_original_scheme(tmp_path):
    task = task_with(tmp_path, "ner", {"dev.txt.gz": NER.replace("\n", "\r\n")})
    words = ("EU", "rejects", "New", "York", "Boston")
    assert sentences(task, "dev") == [(words, ("I-ORG", "O", "I-LOC", "I-LOC", "B-LOC"))]


def test_parts_of_speech(tmp_path):
    # Tags may look like those of entities; a word may hold a no-break space.
    lines = " The  DT\n\nI-NP  B-X\n10\u00a0000 CD \n \t \nend NN\t"
    task = task_with(tmp_path, "pos", {"train.txt": lines})
    assert sentences(task, "train") == [
        (("The",), ("DT",)),
        (("I-NP", "10\u00a0000"), ("B-X", "CD")),
        (("end",), ("NN",)),
    ]


@pytest.mark.parametrize("tag", ["", " -1", " _", " ?", " NNP B-NP I-ORG", " U-", " a  tag"])
def test_tags_of_a_test_file_are_not_read(tmp_path, tag):
    task = task_with(tmp_path, "ner", {"test.txt": f"EU{tag}\nrejects{tag}\n\nIBM{tag}\n"})
    assert sentences(task, "test") == [(("EU", "rejects"), None), (("IBM",), None)]


WORDS = ["New York", "10\u00a0000", "\u3000", "a\u2028b", "\x0b", "#", "1-2"]


@pytest.mark.parametrize("start", ["", "\n", "-DOCSTART- O\n\n"])
def test_between_tabs_there_may_be_spaces(tmp_path, start):
    """Of `New York<TAB>B-LOC` the word was `New`."""
    tags = ("B LOC", *"ABCDEF")
    lines = start + "".join(f" {word} \t{tag}\t\n" for word, tag in zip(WORDS, tags, strict=True))
    files = {"train.txt": lines.replace("\t\n", "\n"), "dev.txt": lines, "test.txt": lines}
    task = task_with(tmp_path, "pos", files)
    assert sentences(task, "train") == [(tuple(WORDS), tags)]
    # The cell behind the last tab is empty, and no other is taken instead.
    assert "has an empty tag: 'New York B LOC '" in refusal(task.read, "dev")
    assert sentences(task, "test") == [(tuple(WORDS), None)]


def test_only_spaces_and_tabs_are_blank(tmp_path):
    words = [word for word in WORDS if " " not in word]
    lines = "".join(f"  {word}   T \n" for word in words)
    task = task_with(tmp_path, "pos", {"train.txt": lines + "\n\u3000 X\n"})
    assert sentences(task, "train") == [
        (tuple(words), ("T",) * len(words)),
        (("\u3000",), ("X",)),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("EU\tORG\nNew York\n", "line 2 has no tag: 'New York'; tabs separate columns"),
        ("EU\tN\tORG\nYork\tLOC\n", "line 2 has 2 columns where line 1 has 3; tabs separate"),
        ("EU\tN\tORG\n\nYork\tLOC\n", "line 3: line 3 has 2 columns where line 1 has 3; tabs"),
        ("EU\tN\tORG\nYork\tN\t\n", "line 2 has an empty tag: 'York N '"),
        ("EU\tORG\n\tLOC\n", "line 2 has an empty word: ' LOC'"),
        ("EU ORG\nNew York LOC\n", "line 2 has 3 columns where line 1 has 2; spaces separate"),
        (
            "EU ORG\n\nNew York\tLOC\n",
            "line 3 has a tab, but the first line has none, so spaces",
        ),
        ("EU\t\n", "line 1 has an empty tag: 'EU '"),
    ],
)
def test_a_cell_is_not_taken_for_its_neighbour(tmp_path, lines, message):
    task = task_with(tmp_path, "pos", {"train.txt": lines})
    assert message in refusal(task.read, "train")


def test_words_of_a_test_file_are_not_divided(tmp_path):
    """A word a line without tags, of which one has a space."""
    task = task_with(tmp_path, "pos", {"test.txt": "Boston\n\nNew York\n"})
    assert "line 3 has 2 columns where line 1 has 1; spaces" in refusal(task.read, "test")


def test_defaults(tmp_path):
    chunk, ner, pos = (task_with(tmp_path, name, {}) for name in ("chunk", "ner", "pos"))
    assert chunk.metrics == ner.metrics == ("f1", "precision", "recall")
    assert pos.metrics == ("accuracy",)
    assert chunk.max_seq_length == 256
    assert set(chunk.splits) == {"train", "dev", "test"}


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("chunk", "a DT B-NP\nb\n", "train.txt, line 1: line 2 has no tag: 'b'"),
        (
            "chunk",
            "a DT B-NP\nb DT NP\n",
            "line 1: tag 'NP' is neither O nor one of B I M E L S U W, alone",
        ),
        ("ner", "a B-\n", "tag 'B-' is neither O"),
        ("ner", "a V-PER\n", "tag 'V-PER' is neither O"),
        ("ner", "\xff O\n".encode("latin-1"), "line 1: column 0 of line 1 is not valid UTF-8"),
        ("pos", "a\0 DT\n", "line 1: column 0 of line 1 has a NUL byte"),
        ("pos", "\n-DOCSTART- X\n\n", "the split train is empty: "),
    ],
)
def test_bad_sentences_are_refused(tmp_path, name, lines, message):
    task = task_with(tmp_path, name, {"train.txt": lines})
    assert message in refusal(task.read, "train")


def test_bad_sentences_are_counted(tmp_path):
    task = task_with(tmp_path, "ner", {"train.txt": "a O\nb\nc\n\nd S-X\n\ne Q\n"})
    reading = task.read("train", skip_bad_rows=True)
    assert [example.words for example in reading.examples] == [("d",)]
    assert reading.skipped == 2
