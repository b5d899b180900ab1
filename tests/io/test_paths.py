import ast
import pickle
import re
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.paths import BucketPath, parse_path, under
from lvbert_tf.io.patterns import divide_patterns, matching

PACKAGE = Path(__file__).parents[2] / "lvbert_tf"
# Functions of the system that take a path in a bucket for one on this machine, or for none.
LOCAL_ONLY = re.compile(
    r"shutil\..*|tf\.io\.gfile\..*|os\.(scandir|listdir|walk|l?stat|makedirs|mkdir|rename|replace)"
    r"|os\.path\.(l?exists|is\w+|getsize|realpath|abspath|relpath|expanduser)"
)
ALLOWED = {
    ("records/corpus.py", "os.path.exists"): "whether a path of this machine has commas",
    ("records/beam_pipeline.py", "os.replace"): "on the disks that workers share",
    ("settings/user_hparams.py", "os.path.exists"): "whether inline JSON is a file by mistake",
    ("runs/model_directory.py", "shutil.disk_usage"): "of a local directory",
    ("serving/mlflow_model.py", "os.path.relpath"): "inside a model of MLflow",
}


def test_a_path_is_local_or_in_a_bucket(bucket):
    assert type(parse_path("a/b")) is type(Path("a/b")) and parse_path("~gs:/x") == Path("~gs:/x")
    path = parse_path("gs://bucket//models/./a.b/")
    assert isinstance(path, BucketPath) and str(path) == "gs://bucket/models/a.b"
    assert (path.name, path.suffix, path.parent.name) == ("a.b", ".b", "models")
    assert str(path / "checkpoints" / "x~") == f"{path}/checkpoints/x~"
    assert str((path / "c" / "d").relative_to(path)) == "c/d"
    assert path / (path / "c" / "d").relative_to(path) == path / "c" / "d"
    assert path.resolve() == path.absolute() == parse_path(path) and path.is_absolute()
    assert pickle.loads(pickle.dumps(path)) == path and parse_path("/gs/x") == Path("/gs/x")
    assert under(path, "x.tsv") == path / "x.tsv" and under(path, "gs://o/x") == parse_path(
        "gs://o/x"
    )
    assert under(Path("/a"), "/b") == Path("/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hdfs://host/x", "hdfs:// is not supported; give a local path, gs://BUCKET/... or s3://"),
        ("memory://x", "memory:// is not supported"),
        ("gs:/bucket/x", r"a path in a bucket is written gs://bucket/x"),
        ("gs:///x", "expected gs://BUCKET/"),
        ("gs://bucket/../x", r"without '\.\.'"),
        ("s3://bucket/x", r"needs the package s3fs: pip install 'lvbert_tf\[s3\]'"),
    ],
)
def test_what_is_neither_is_one_line(bucket, monkeypatch, text, message):
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(InputError, match=message):
        parse_path(text)


def test_objects_are_files_and_their_names_make_directories(bucket):
    path = bucket / "models"
    assert not path.exists() and not path.is_dir() and list(path.iterdir()) == []
    path.mkdir(parents=True)
    assert not path.exists()
    (path / "a").write_text("é\n")
    (path / "b" / "c.txt").write_bytes(b"0123456789")
    (bucket / "models-2" / "d").write_bytes(b"")
    assert path.is_dir() and not path.is_file() and (path / "a").is_file() and (path / "b").is_dir()
    assert [child.name for child in path.iterdir()] == ["a", "b"]
    assert [str(found.relative_to(path)) for found in path.glob("*/c*")] == ["b/c.txt"]
    assert [found.name for found in bucket.glob("mod*")] == ["models", "models-2"]
    assert list(path.glob("x/*")) == [] and list(path.glob("a")) == [path / "a"]
    assert path.objects() == {"a": 3, "b/c.txt": 10} and (path / "b" / "c.txt").stat().st_size == 10
    assert (path / "a").read_text() == "é\n" and (path / "b/c.txt").read_bytes(2, 5) == b"234"
    with (path / "a").open(encoding="utf-8") as file:
        assert list(file) == ["é\n"]
    with (path / "b/c.txt").open("rb") as file:
        assert file.read(3) == b"012" and file.seek(-1, 2) == 9 and file.read() == b"9"
    with pytest.raises(FileExistsError):
        (path / "a").write_bytes(b"", new=True)
    (path / "a").unlink()
    (path / "a").unlink(missing_ok=True)
    with pytest.raises(
        FileNotFoundError, match=r"^gs://bucket/models/a: No such object or bucket$"
    ):
        (path / "a").read_bytes()


def test_a_wildcard_finds_no_hidden_files(bucket):
    for name in ("set/a", "set/.hidden", ".x/a", "set/set/a"):
        (bucket / name).write_text("")
    assert [str(path) for path in matching(f"{bucket}/set/*")] == [
        f"{bucket}/set/a",
        f"{bucket}/set/set",
    ]
    assert [str(path) for path in matching(f"{bucket}/*/a")] == [f"{bucket}/set/a"]
    assert [path.name for path in matching(f"{bucket}/set/.h*")] == [".hidden"]
    assert [path.name for path in (bucket / "set").iterdir()] == [".hidden", "a", "set"]


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_a_name_that_is_there_is_no_pattern(bucket, tmp_path, where):
    """The folder `exp1` is another experiment's."""
    folder = tmp_path if where == "disk" else bucket
    for name in ("exp[1]/x-0", "exp[1]/x-1", "exp1/x-0", "what?/a", "what1/a"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")

    def found(pattern):
        return [str(path.relative_to(folder)) for path in matching(f"{folder}/{pattern}")]

    assert found("exp[1]/x-*") == ["exp[1]/x-0", "exp[1]/x-1"]
    assert found("exp[1]/x-0") == ["exp[1]/x-0"] and found("exp[1]/y") == []
    assert found("exp[12]/*") == ["exp1/x-0"]
    assert found("*/a") == ["what1/a", "what?/a"] and found("what?/*") == ["what?/a"]
    assert matching(str(folder / "none" / "*")) == [] == matching("")


def test_commas_are_between_patterns_or_in_them(tmp_path):
    for name in ("a,b", "p1", "p2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train-0").write_text("")
    assert divide_patterns(f"{tmp_path}/a,b/train*") == [f"{tmp_path}/a,b/train*"]
    two = [f"{tmp_path}/p1/train-0", f"{tmp_path}/p2/train-0"]
    assert divide_patterns(", ".join([*two, ""])) == two
    assert divide_patterns(f"{two[0]},") == two[:1]
    assert divide_patterns("") == [] and divide_patterns(" /none/x ") == ["/none/x"]
    absent = ["/none/1/train-[0-3]", "/none/2/x.tfrecord"]
    assert divide_patterns(",".join(absent)) == absent
    assert divide_patterns("/none/a,b/x.tfrecord") == ["/none/a,b/x.tfrecord"]


def test_many_files_go_up_and_come_down(bucket, tmp_path):
    files = {tmp_path / f"{number}": f"x/{number}" for number in range(20)}
    for file, name in files.items():
        file.write_text(name)
    bucket.upload(files)
    bucket.download({name: tmp_path / "copy" / name for name in files.values()})
    assert {name: (tmp_path / "copy" / name).read_text() for name in files.values()} == {
        name: name for name in files.values()
    }


def test_what_a_store_lacks_is_one_line_and_nothing_local_is_touched(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = bucket / "a"
    path.write_bytes(b"x")
    for operation in (
        lambda: open(path, "wb"),  # noqa: SIM115
        lambda: path.open("ab"),
        lambda: path.rename(bucket / "b"),
        lambda: path.touch(),
        lambda: path.chmod(0o600),
        lambda: list(bucket.rglob("*")),
        lambda: path.symlink_to("b"),
    ):
        with pytest.raises(InputError, match=r"^gs://bucket(/a)? is in a bucket, "):
            operation()
    assert [child.name for child in tmp_path.iterdir()] == ["store"]


def test_a_name_that_leads_out_of_its_directory_is_refused(bucket):
    import fsspec

    fsspec.filesystem("gs").pipe_file("gs://bucket/m/../../x", b"")
    with pytest.raises(
        InputError, match=r"gs://bucket/m: an object in it is named .* no file's name"
    ):
        (bucket / "m").objects()


def test_what_a_store_says_is_one_line(bucket, monkeypatch):
    from object_store.directory_store import DirectoryStore

    def refuse(*_, **__):
        raise RuntimeError("Forbidden:\n  billing")

    monkeypatch.setattr(DirectoryStore, "info", refuse)
    for operation in (bucket.exists, bucket.is_dir, bucket.stat):
        with pytest.raises(InputError, match=r"^gs://bucket: Forbidden: billing$") as caught:
            operation()
        assert isinstance(caught.value, OSError)


def calls():
    """Every call of a function by a dotted name in the package: its file, its name, its arguments."""
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield where, ast.unparse(node.func), [ast.unparse(given) for given in node.args]


def test_no_text_becomes_a_path_but_by_parsing_it():
    """Else `gs://bucket/x` would be the local `gs:/bucket/x`."""
    by_itself = [
        (file, name, given)
        for file, name, given in calls()
        if not file.startswith("io/")
        and not file.startswith("serving/predictor/")  # which runs where this package is not
        and (
            (name == "Path" and given not in (["__file__"], ["cpuinfo"]))
            or name == "open"
            or (LOCAL_ONLY.fullmatch(name) and (file, name) not in ALLOWED)
        )
    ]
    assert by_itself == []
