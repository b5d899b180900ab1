"""The files of tasks as they are published, a few rows each."""

import gzip
import json

import pytest


@pytest.fixture(scope="session")
def squad():
    """Makes a document in SQuAD's format, of one article."""

    def make(num_paragraphs, num_questions):
        def question(i, j):
            answers = [{"text": "a", "answer_start": 0}]
            return {"id": f"{i}-{j}", "question": "Who?", "answers": answers}

        paragraphs = [
            {"context": f"a {i}", "qas": [question(i, j) for j in range(num_questions)]}
            for i in range(num_paragraphs)
        ]
        return {"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}

    return make


@pytest.fixture
def published(tmp_path, squad):
    """Files as they are published, a few rows each."""
    root = tmp_path / "sources"
    for name in ("glue/CoLA", "glue/MRPC", "glue/SST-2", "sentiment", "squad"):
        (root / name).mkdir(parents=True)
    for split in ("train", "dev"):
        rows = [f"src\t{i % 2}\t\tsentence {i}" for i in range(20)]
        (root / f"glue/CoLA/{split}.tsv").write_text("\n".join(rows))
        rows = ["\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
        rows += [f'{i % 2}\t1\t2\tsays "{i}\tsays it' for i in range(20)]
        (root / f"glue/MRPC/{split}.tsv").write_text("\n".join(rows), encoding="utf-8")
        rows = ["sentence\tlabel", *(f"phrase {i} \t{i % 2}" for i in range(20))]
        (root / f"glue/SST-2/{split}.tsv").write_text("\n".join(rows))
        with gzip.open(root / f"squad/{split}.json.gz", "wt") as file:
            json.dump(squad(10, 2), file)
    rows = ["id\tscore\ttext", *(f"{i}\t{i / 10 - 2}\tfilm {i}" for i in range(40))]
    (root / "sentiment/movieReviewSnippets.tsv").write_text("\n".join(rows))
    with gzip.open(root / "brown_tagged.txt.gz", "wt") as file:
        for i in range(20):
            file.write(f"# file c{i} genre news\nThe at\ndog nn-tl\n\nruns vbz\n\n")
    return root
