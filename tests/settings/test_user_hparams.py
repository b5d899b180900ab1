"""Reading the hparams that a user gives."""

import json
import os

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.settings.user_hparams import check_directory_name, load_hparams


def test_load_hparams_reads_json_and_toml(tmp_path):
    expected = {"model_size": "small", "custom_layer_list": [0, 1], "mask_prob": 0.2}
    (tmp_path / "h.json").write_text(json.dumps(expected))
    (tmp_path / "h.toml").write_text(
        'model_size = "small"\ncustom_layer_list = [0, 1]\nmask_prob = 0.2\n'
    )
    assert load_hparams(f"\n {json.dumps(expected)} ") == expected
    assert load_hparams(str(tmp_path / "h.json")) == expected
    assert load_hparams(str(tmp_path / "h.toml")) == expected
    assert load_hparams("") == {}
    for name in ("h.json", "h.toml"):  # with the byte-order mark of a Windows program
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + (tmp_path / name).read_bytes())
        assert load_hparams(str(tmp_path / name)) == expected
    assert load_hparams(f"\ufeff{json.dumps(expected)}\n") == expected  # $(cat h.json)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"debug": }', "--hparams is neither JSON nor a path.*line 1 column 11"),
        ('{"debug": true, "debug": false}', "'debug' is given twice"),
        ("[1, 2]", "expected"),
        ("3", "expected"),
        ('{"seed": ' + "1" * 5000 + "}", "neither JSON"),
        ('{"seed": ' + "[" * 100_000, "neither JSON"),
        ("small", "neither JSON nor a path"),
        ("absent/file.json", "absent/file.json does not exist"),
        ("absent/file.toml", "absent/file.toml does not exist"),
    ],
)
def test_bad_hparams_text(text, words):
    with pytest.raises(InputError, match=words):
        load_hparams(text)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("h.json", b'{"debug"', "h.json is neither JSON.*char 8"),
        ("h.json", b"\xff\xfe", "h.json is UTF-16 text"),
        ("h.toml", b"debug = yes", r"h.toml is not TOML: .*line 1"),
        ("h.toml", b"a = 1\na = 2", "h.toml is not TOML"),
    ],
)
def test_bad_hparams_files(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        load_hparams(str(tmp_path / name))


def test_a_file_whose_name_does_not_say_how_to_read_it(tmp_path):
    (tmp_path / "h.txt").write_text("{}")
    reading, writing = os.pipe()  # what <(command) gives
    try:
        for path in (tmp_path / "h.txt", f"/dev/fd/{reading}"):
            with pytest.raises(InputError, match=r"a \.json or \.toml at the end of its name"):
                load_hparams(str(path))
    finally:
        os.close(reading)
        os.close(writing)
    (tmp_path / "h.json").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=r"hparams file .*h\.json is a device, not a file"):
        load_hparams(str(tmp_path / "h.json"))


def test_the_home_directory_of_an_hparams_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "h.json").write_text('{"seed": 1}')
    assert load_hparams("~/h.json") == {"seed": 1}
    with pytest.raises(InputError, match="~nobody-here is no user's home"):
        load_hparams("~nobody-here/h.json")


def test_a_directory_is_no_hparams_file(tmp_path):
    (tmp_path / "d.json").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        load_hparams(str(tmp_path / "d.json"))


@pytest.mark.parametrize("text", ["a\\u0000b", "a\\ud800b"])
@pytest.mark.parametrize(
    "where", ['"%s"', '["fine", "%s"]', '{"fine": {"deeper": ["%s"]}}', '{"%s": 1}'], ids=str
)
def test_a_text_that_can_be_no_path_is_refused(text, where):
    with pytest.raises(InputError, match=r"'task_names': .* as no name and no path may"):
        load_hparams('{"seed": 1, "task_names": ' + where.replace("%s", text) + "}")


def test_texts_of_all_languages_are_fine():
    assert load_hparams('{"vocab_file": "d\\u00e9j\\u00e0 \\ud83d\\ude00"}') == {
        "vocab_file": "déjà 😀"
    }


@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", "a\0b", "a\udc80"])
def test_what_is_not_one_directory_s_name_is_refused(name):
    with pytest.raises(InputError, match="expected one directory name"):
        check_directory_name("model name", name)
