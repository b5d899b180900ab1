"""Tagging tasks of a user's own: words in columns, CoNLL-U, and JSON lines."""

import pytest
from task_files import json_lines, refusal, task_with, toml


@pytest.mark.parametrize("suffix", ["txt", "conll", "tsv"])
def test_tagging_in_columns(tmp_path, suffix):
    keys = 'kind = "tagging"\ncomment = "# "\nlabels = ["PER"]\n'
    columns = "[columns]\nwords = 1\ntags = 2\n"
    content = "# id 1\n1\tAda\tB-PER\tx\n2\tL\tI-PER\tx\n\n3\t#\tO\tx\n"
    files = {f"train.{suffix}": content, "task.toml": toml(keys, columns, suffix)}
    task = task_with(tmp_path, "names", files)
    assert [(e.words, e.tags) for e in task.read("train").examples] == [
        (("Ada", "L"), ("B-PER", "I-PER")),
        (("#",), ("O",)),
    ]
    assert tuple(task.tag_scheme.outputs([])) == ("O", "B-PER", "I-PER", "E-PER", "S-PER")
    assert (task.metrics[0], task.max_seq_length) == ("f1", 256)
    bad = content.replace("I-PER", "I-LOC")
    task = task_with(tmp_path, "names", files | {f"train.{suffix}": bad})
    assert "line 2: tag 'I-LOC' has none of the types PER" in refusal(task.read, "train")


def test_tagging_in_json_lines(tmp_path):
    keys = 'kind = "tagging"\ntag_scheme = "words"\nlabels = ["N", "V"]\n'
    columns = '[columns]\nwords = "tokens"\ntags = "pos"\n'
    rows = [{"tokens": ["a b", "c"], "pos": ["N", "V"]}]
    files = {"train.jsonl": json_lines(*rows), "task.toml": toml(keys, columns, "jsonl")}
    (example,) = task_with(tmp_path, "parts", files).read("train").examples
    assert (example.words, example.tags) == (("a b", "c"), ("N", "V"))
    for row, message in [
        ({"tokens": ["a"], "pos": ["N", "V"]}, "line 1: 1 words but 2 tags"),
        ({"tokens": ["a"], "pos": ["X"]}, "line 1: tag 'X' is none of N | V"),
        ({"tokens": [], "pos": []}, "line 1: words is empty"),
        ({"tokens": "a", "pos": ["N"]}, "line 1: words is no list: 'a'"),
        ({"tokens": ["a"], "pos": "N"}, "line 1: tags is no list: 'N'"),
        ({"tokens": [1], "pos": ["N"]}, "line 1: an item of words is no text: 1"),
        ({"tokens": ["a"], "pos": [2]}, "line 1: tag 2 is no place in labels, 0 to 1"),
    ]:
        task = task_with(tmp_path, "parts", files | {"train.jsonl": json_lines(row)})
        assert message in refusal(task.read, "train")


# Of the handbook of Universal Dependencies: a range, an empty node, comments, spaces in a word.
CONLLU = """# newdoc
# sent_id = 1
# text = Vámonos al mar 10 000
1-2|Vámonos|_|_|_|_|_|_|_|_
1|Vamos|ir|VERB|V|_|0|root|_|_
2|nos|nosotros|PRON|P|_|1|obj|_|_
3-4|al|_|_|_|_|_|_|_|_
3|a|a|ADP|S|_|5|case|_|_
4|el|el|DET|D|_|5|det|_|_
5|mar|mar|NOUN|N|_|1|obl|_|_
5.1|fue|ir|VERB|V|_|_|_|_|_
6|10 000|10 000|NUM|Z|_|5|nummod|_|_

# sent_id = 2
1|_|_|PUNCT|F|_|0|root|_|_
2|#|#|SYM|F|_|1|dep|_|_
"""


def conllu_task(tmp_path, train=CONLLU, columns="", comment=""):
    keys = f'kind = "tagging"\ntag_scheme = "words"\n{comment}'
    files = {"task.toml": toml(keys, columns, "conllu", test=True)}
    files |= {f"{split}.conllu": train.replace("|", "\t") for split in ("train", "test")}
    return task_with(tmp_path, "parts", files)


@pytest.mark.parametrize(
    ("columns", "comment", "words", "tags"),
    [
        ("", "", "Vamos|nos|a|el|mar|10 000", "VERB PRON ADP DET NOUN NUM"),
        ("[columns]\ntags = 4\n", 'comment = "//"', "Vamos|nos|a|el|mar|10 000", "V P S D N Z"),
        ("[columns]\nwords = 2\n", "", "ir|nosotros|a|el|mar|10 000", "VERB PRON ADP DET NOUN NUM"),
    ],
)
def test_conllu(tmp_path, columns, comment, words, tags):
    task = conllu_task(tmp_path, columns=columns, comment=comment)
    first, second = task.read("train").examples
    assert (first.words, first.tags) == (tuple(words.split("|")), tuple(tags.split()))
    assert second.words == ("_", "#")
    assert str(first.location).endswith("line 4")
    assert [example.words for example in task.read("test").examples] == [first.words, second.words]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ir|VERB", "ir|_", "line 4: line 5 has no tag: '_'"),
        ("ir|VERB", "ir|", "line 4: line 5 has an empty tag: "),
        ("|Vamos|", "||", "line 4: line 5 has an empty word: "),
        ("1|Vamos|ir", "1 Vamos ir", "line 4: line 5 has 8 columns where line 4 has 10; tabs"),
        (CONLLU, "1 a\n", "line 1: line 1 has no tag: '1 a'; tabs separate columns"),
    ],
)
def test_bad_conllu(tmp_path, old, new, message):
    task = conllu_task(tmp_path, CONLLU.replace(old, new, 1))
    assert message in refusal(task.read, "train")


def test_columns_may_vary_between_sentences(tmp_path):
    """As in CoNLL-2012, where a predicate is a column; but not where they are counted backwards."""
    content = "bc 0 a N *\nbc 1 b V *\n\nbc 0 c N * (A*\n"
    keys = 'kind = "tagging"\ntag_scheme = "words"\n'
    for tag, expected in [(3, [("N", "V"), ("N",)]), (-1, None)]:
        columns = f"[columns]\nwords = 2\ntags = {tag}\n"
        files = {"task.toml": toml(keys, columns, "conll"), "train.conll": content}
        task = task_with(tmp_path, "predicates", files)
        if expected:
            assert [example.tags for example in task.read("train").examples] == expected
        else:
            assert "line 4 has 6 columns where line 1 has 5" in refusal(task.read, "train")
    files["train.conll"] = content.replace("1 b V *", "1 b V")
    files["task.toml"] = files["task.toml"].replace("tags = -1", "tags = 3")
    task = task_with(tmp_path, "predicates", files)
    assert "line 2 has 4 columns where line 1 has 5" in refusal(task.read, "train")


def test_a_tsv_file_has_tabs(tmp_path):
    """Whatever its first line has."""
    keys = 'kind = "tagging"\ntag_scheme = "words"\n'
    files = {
        "task.toml": toml(keys, test=True),
        "train.tsv": "New York\n",
        "test.tsv": "New York\n",
    }
    task = task_with(tmp_path, "places", files)
    assert "line 1 has no tag: 'New York'; tabs separate columns" in refusal(task.read, "train")
    assert task.read("test").examples[0].words == ("New York",)


@pytest.mark.parametrize("header", ["word\ttag", "id\tTOKEN\tNER"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_header_is_refused_unless_it_is_a_comment(tmp_path, header, split):
    """It was a word of the first sentence, and with it skip_bad_rows would leave that sentence out."""
    keys = 'kind = "tagging"\ntag_scheme = "words"\n'
    columns = "[columns]\nwords = -2\ntags = -1\n"
    line = "1\t" * header.count("id") + "a\tN\n"
    files = {f"{split}.tsv": f"{header}\n{line}", "task.toml": toml(keys, columns, test=True)}
    task = task_with(tmp_path, "parts", files)
    for skip in (False, True):
        refused = refusal(task.read, split, skip_bad_rows=skip)
        assert (
            f"{split}.tsv, line 1 is a header: '{header.replace(chr(9), ' ')}'; files of" in refused
        )
    start = header.partition("\t")[0]
    files["task.toml"] = toml(f'{keys}comment = "{start}"\n', columns, test=True)
    (example,) = task_with(tmp_path, "parts", files).read(split).examples
    assert example.words == ("a",)
    # Further down it is a word as any other.
    files[f"{split}.tsv"], files["task.toml"] = f"{line}{header}\n", toml(keys, columns, test=True)
    (example,) = task_with(tmp_path, "parts", files).read(split).examples
    assert example.words == ("a", header.split("\t")[-2])


@pytest.mark.parametrize("suffix", ["conll", "jsonl", "tsv"])
@pytest.mark.parametrize("tags", [[-1, -1], None, ["", " "], ["_", "?"], ["B-X"], "O O", [None, 1]])
def test_tags_of_a_test_file_are_not_read(tmp_path, suffix, tags):
    row = {"tokens": ["a", "b"], "ner": tags}
    cells = tags if isinstance(tags, list) and len(tags) == 2 else ["-1", "None"]
    lines = "".join(f"{word}\t{tag}\n" for word, tag in zip("ab", cells, strict=True))
    columns = '[columns]\nwords = "tokens"\ntags = "ner"\n' if suffix == "jsonl" else ""
    files = {
        "task.toml": toml('kind = "tagging"\nlabels = ["PER"]\n', columns, suffix, test=True),
        f"test.{suffix}": json_lines(row) if suffix == "jsonl" else lines,
    }
    (example,) = task_with(tmp_path, "names", files).read("test").examples
    assert (example.words, example.tags) == (("a", "b"), None)
