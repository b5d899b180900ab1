import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.io.bucket_directories import MARKER, is_half_written, is_whole, local_copy
from lvbert_tf.io.whole import (
    check_replaceable,
    draft,
    move_away,
    new_directory,
    new_output,
    new_text_file,
    publish,
    remove,
    replace_file,
    write_json,
)

# Puts one file after the other, and says so before the second is there.
UPLOAD_SLOWLY = """
import sys, time
from directory_store import DirectoryStore
from lvbert_tf.io.paths import parse_path
from lvbert_tf.io.whole import new_directory
put = DirectoryStore.put_object
def slowly(self, path, content, new):
    if path.endswith("2"):
        print("ready", flush=True)
        time.sleep(60)
    put(self, path, content, new)
DirectoryStore.put_object = slowly
with new_directory(parse_path(sys.argv[1]), replace=True) as directory:
    for number in range(4):
        (directory / f"data-{number}").write_text("new")
"""


def make(path, text="new", replace=False):
    with new_directory(path, replace) as directory:
        (directory / "data-0").write_text(text)
        (directory / "sub").mkdir()
        (directory / "sub" / "x").write_text(text)
        assert not path.exists() or (path / "data-0").read_text() != text


def test_the_marker_is_written_last_and_lists_the_files(bucket, monkeypatch):
    from object_store.directory_store import DirectoryStore

    put, written = DirectoryStore.put_object, []

    def recorded(self, path, content, new):
        written.append(path.partition("bucket/")[2])
        put(self, path, content, new)

    monkeypatch.setattr(DirectoryStore, "put_object", recorded)
    make(bucket / "set")
    marker, *files = (name for name in written if not name.endswith(".lease"))
    assert marker == files[-1] == f"set/{MARKER}" and set(files[:-1]) == {"set/data-0", "set/sub/x"}
    stored = json.loads((bucket / "set" / MARKER).read_bytes())
    assert stored == {"state": "complete", "files": {"data-0": 3, "sub/x": 3}}
    assert is_whole(bucket / "set") and [p.name for p in bucket.iterdir()] == ["set"]


def test_an_old_one_is_replaced_wholly_or_refused(bucket):
    path = bucket / "set"
    make(path, "old")
    (path / "more").write_text("of the old one")
    with pytest.raises(OSError, match=r"gs://bucket/set"):
        make(path)
    assert (path / "data-0").read_text() == "old"
    make(path, "new", replace=True)
    assert (
        set(path.objects()) == {MARKER, "data-0", "sub/x"}
        and (path / "data-0").read_text() == "new"
    )


def test_what_a_kill_leaves_is_ignored_and_then_replaced(bucket):
    path = bucket / "set"
    command = [sys.executable, "-c", UPLOAD_SLOWLY, str(path)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "ready\n"
    with pytest.raises(InputError, match="set is being written by another process, process"):
        check_replaceable(path, False, bool)
        with draft(path):
            pytest.fail("there was another writer")
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert (path / "data-1").exists() and not (path / "data-2").exists()
    assert is_half_written(path) and not is_whole(path)
    with (
        pytest.raises(InputError, match=r"gs://bucket/set is not whole: .* run that command again"),
        local_copy(path),
    ):
        pytest.fail("half of it is missing")
    check_replaceable(path, False, lambda name: name.startswith("data-"))
    with new_directory(path) as directory:
        (directory / "data-9").write_text("x")
    assert is_whole(path) and set(path.objects()) == {MARKER, "data-9"}


def test_a_directory_of_which_a_file_is_missing_is_not_whole(bucket):
    make(bucket / "set")
    (bucket / "set" / "data-0").write_text("more than before")
    assert not is_whole(bucket / "set") and not is_half_written(bucket / "set")
    (bucket / "copied" / "data-0").write_text("by another tool, without a marker")
    assert is_whole(bucket / "copied") and not is_whole(bucket / "none")


def test_of_two_drafts_of_one_name_the_first_is_published(bucket):
    path = bucket / "1"
    with draft(path, alone=False) as one, draft(path, alone=False) as other:
        (one / "data").write_text("one")
        publish(one, path)
        with pytest.raises(OSError, match=r"gs://bucket/1"):
            publish(other, path)
    assert (path / "data").read_text() == "one"


def test_an_output_is_refused_where_there_are_other_files(bucket):
    ours = lambda name: name.startswith("data") or name == "sub"  # noqa: E731
    path = bucket / "set"
    make(path, "old")
    with pytest.raises(InputError, match=r"is not empty; .* --overwrite"):
        check_replaceable(path, False, ours)
    with new_output(path, True, ours) as directory:
        (directory / "data-1").write_text("x")
    assert set(path.objects()) == {MARKER, "data-1"}
    (path / "thesis.tex").write_text("work")
    with pytest.raises(InputError, match=r"holds 'thesis\.tex', which --overwrite would lose"):
        check_replaceable(path, True, ours)


@pytest.mark.parametrize("marker", ['{"state": "writing"}', '{"pages": 3}', "damaged"])
def test_files_of_the_user_are_kept_though_there_is_a_marker(bucket, marker):
    (bucket / "out" / MARKER).write_text(marker)
    (bucket / "out" / "thesis.pdf").write_text("years")
    for overwrite in (False, True):
        with (
            pytest.raises(InputError, match=r"not empty|holds 'thesis\.pdf'"),
            new_output(bucket / "out", overwrite, lambda name: name == "ours"),
        ):
            pass
    assert (bucket / "out" / "thesis.pdf").read_text() == "years"


def test_files_appear_whole(bucket):
    replace_file(bucket / "a", "old")
    replace_file(str(bucket / "a"), b"new")
    write_json(bucket / "b.json", {"step": 1})
    assert (bucket / "a").read_text() == "new" and json.loads((bucket / "b.json").read_bytes()) == {
        "step": 1
    }
    with pytest.raises(RuntimeError), new_text_file(bucket / "c") as file:
        file.write("half")
        raise RuntimeError
    assert not (bucket / "c").exists()
    with new_text_file(bucket / "c") as file:
        file.write("é")
    assert (bucket / "c").read_text() == "é"
    with pytest.raises(InputError, match="c exists; move it away"), new_text_file(bucket / "c"):
        pytest.fail("there is one")
    assert [path.name for path in bucket.iterdir()] == ["a", "b.json", "c"]


def test_a_local_copy_is_one_for_the_time_of_the_block(bucket, tmp_path):
    make(bucket / "set")
    replace_file(bucket / "model.ckpt-1.index", "i")
    replace_file(bucket / "model.ckpt-1.data", "d")
    with local_copy(bucket / "set") as copy:
        assert copy.name == "set" and (copy / "sub" / "x").read_text() == "new"
        assert not (copy / MARKER).exists()
    assert not copy.parent.exists()
    with local_copy(bucket / "model.ckpt-1") as copy:
        assert Path(f"{copy}.index").read_text() == "i" and Path(f"{copy}.data").read_text() == "d"
    with local_copy(tmp_path) as copy:
        assert copy is tmp_path


def test_removing_needs_nothing_there(bucket):
    make(bucket / "set")
    make(bucket / "set-2")
    remove(bucket / "set")
    remove(bucket / "set")
    move_away(bucket / "set-2", bucket / "damaged-set-2")
    assert not bucket.exists()
