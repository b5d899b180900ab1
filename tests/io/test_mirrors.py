from lvbert_tf.io.mirrors import Mirror


def test_what_has_changed_is_copied_whole(bucket, monkeypatch):
    from object_store.directory_store import DirectoryStore

    put, written = DirectoryStore.put_object, []

    def recorded(self, path, content, new):
        written.append(path.rpartition("/")[2])
        put(self, path, content, new)

    (bucket / "m" / "log").write_text("old\n")
    monkeypatch.setattr(DirectoryStore, "put_object", recorded)
    mirror = Mirror(bucket / "m")
    mirror.fetch("log")
    mirror.fetch("none")
    with (mirror.local / "log").open("a") as file:
        file.write("new\n")
    (mirror.local / "sub").mkdir()
    (mirror.local / "sub" / "events").write_text("1")
    mirror.push()
    mirror.push()
    (mirror.local / "sub" / "events").write_text("12")
    mirror.close()
    mirror.close()
    assert sorted(written) == ["events", "events", "log"] and not mirror.local.exists()
    assert (bucket / "m" / "log").read_text() == "old\nnew\n"
    assert (bucket / "m" / "sub" / "events").read_text() == "12"


def test_a_directory_of_this_machine_is_written_itself(tmp_path):
    mirror = Mirror(tmp_path)
    assert mirror.local == tmp_path
    (tmp_path / "log").write_text("x")
    mirror.fetch("log")
    mirror.push()
    mirror.close()
    assert (tmp_path / "log").read_text() == "x"
