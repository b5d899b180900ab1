"""Added tokens travel with the tokenizers of transformers, whichever file says so."""

import dataclasses
import json
import shutil

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.interop.huggingface_tokenizer import read_tokenizer, write_tokenizer
from lvbert_tf.models import LVBertTokenizer
from lvbert_tf.text.added_tokens import AddedToken

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@pytest.fixture(scope="module")
def saved(fixtures):
    """What transformers wrote; see transformers_tokenizers.py."""
    return fixtures / "huggingface_tokenizer"


@pytest.fixture
def copied(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copied")


def change(directory, file, **changes):
    path = directory / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | changes))


def added_of(directory):
    return json.loads((directory / "tokenizer.json").read_text())["added_tokens"]


def to_vocabulary_file(directory, fixtures):
    """The older form, without tokenizer.json; gives back what it said of added tokens."""
    added = added_of(directory)
    (directory / "tokenizer.json").unlink()
    shutil.copy(fixtures / "tiny" / "vocab.txt", directory)
    return added


def assert_ids_of_transformers(tokenizer, saved):
    expected = json.loads((saved / "ids.json").read_text(encoding="utf-8"))
    got = tokenizer.tokenize(expected["texts"]).to_list()
    cases = zip(expected["texts"], got, expected["ids"], strict=True)
    assert [case for case in cases if case[1] != case[2]] == []
    assert len(got) == 400


def refusal(directory):
    with pytest.raises(InputError) as caught:
        read_tokenizer(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_ids_are_those_of_transformers(saved, tmp_path):
    tokenizer = read_tokenizer(saved)
    assert_ids_of_transformers(tokenizer, saved)
    assert tokenizer.vocabulary_size() == 128
    assert tokenizer.id_to_token(120) == "covid"
    pieces = [token.content for token in tokenizer.added_tokens if token.is_piece]
    assert pieces == ["tok20"]
    write_tokenizer(tokenizer, 12, tmp_path)
    assert len((tmp_path / "vocab.txt").read_text().splitlines()) == 120
    again = read_tokenizer(tmp_path)
    assert again.added_tokens == tokenizer.added_tokens
    assert again.get_vocabulary() == tokenizer.get_vocabulary()


def test_a_tokenizer_without_any_is_written_as_before(fixtures, tmp_path):
    write_tokenizer(LVBertTokenizer(str(fixtures / "tiny" / "vocab.txt")), 12, tmp_path)
    assert "added_tokens_decoder" not in (tmp_path / "tokenizer_config.json").read_text()


def test_the_decoder_of_a_configuration(saved, copied, fixtures):
    added = to_vocabulary_file(copied, fixtures)
    decoder = {str(token.pop("id")): token for token in added}
    change(copied, "tokenizer_config.json", added_tokens_decoder=decoder)
    assert_ids_of_transformers(read_tokenizer(copied), saved)


def test_a_list_without_flags(copied, fixtures):
    added = to_vocabulary_file(copied, fixtures)
    numbers = {token["content"]: token["id"] for token in added if token["id"] >= 120}
    change(copied, "added_tokens.json", **numbers)
    change(copied, "tokenizer_config.json", extra_special_tokens=[])
    tokenizer = read_tokenizer(copied)
    expected = [AddedToken(content) for content in sorted(numbers, key=numbers.get)]
    assert tokenizer.added_tokens == tuple(expected)
    assert tokenizer("xcovid").numpy().tolist()[-1] == 120


def test_special_tokens_that_are_only_named(copied, fixtures):
    to_vocabulary_file(copied, fixtures)
    described = {"content": "<e2>", "lstrip": True, "normalized": False}
    change(
        copied, "special_tokens_map.json", additional_special_tokens=["tok3", described, "[CLS]"]
    )
    tokenizer = read_tokenizer(copied)
    found = {token.content: token for token in tokenizer.added_tokens}
    assert list(found) == ["tok3", "<e1>", "</e1>", "<e2>"]
    assert found["tok3"].is_piece
    assert found["<e2>"].lstrip
    assert all(token.special and not token.normalized for token in found.values())
    assert tokenizer.get_vocabulary()[120:] == ["<e1>", "</e1>", "<e2>"]


def test_upper_case_and_accents_are_those_of_the_configuration(copied):
    change(copied, "tokenizer_config.json", do_lower_case=False, strip_accents=False)
    tokenizer = read_tokenizer(copied)
    assert (tokenizer.lowercase, tokenizer.strip_accents) == (False, False)


@pytest.mark.parametrize("flag", FLAGS)
def test_every_flag_is_kept(saved, copied, tmp_path, flag):
    added = added_of(copied)
    added[-3][flag] = not added[-3][flag]
    change(copied, "tokenizer.json", added_tokens=added)
    before, after = read_tokenizer(saved), read_tokenizer(copied)
    pairs = zip(before.added_tokens, after.added_tokens, strict=True)
    if flag != "special":  # which changes the order
        changed = [(one, other) for one, other in pairs if one != other]
        assert len(changed) == 1
    (tmp_path / "out").mkdir()
    write_tokenizer(after, 12, tmp_path / "out")
    again = read_tokenizer(tmp_path / "out")
    assert set(map(dataclasses.astuple, again.added_tokens)) == set(
        map(dataclasses.astuple, after.added_tokens)
    )


def spoil(**changes):
    def change_last(added):
        added[-1] |= changes

    return change_last


@pytest.mark.parametrize(
    ("spoiled", "expected"),
    [
        (spoil(id=200), "added token '</e1>' is token 200, but there is no token 127"),
        (spoil(id=7), "added token '</e1>' is token 7, but in the vocabulary that is"),
        (spoil(id=-1), "has no id"),
        (spoil(id=True), "has no id"),
        (spoil(id=126), "two added tokens are token 126"),
        (spoil(content="tok3"), "'tok3' is token"),
        (spoil(content=" x"), "' x' begins or ends with whitespace"),
        (spoil(content=["x"]), "expected a string"),
        (spoil(lstrip="yes"), "lstrip is 'yes'; expected true or false"),
        (lambda added: added.append("x"), "'x' has no id"),
    ],
)
def test_added_tokens_that_cannot_be_kept_are_named(copied, spoiled, expected):
    added = added_of(copied)
    spoiled(added)
    change(copied, "tokenizer.json", added_tokens=added)
    change(copied, "tokenizer_config.json", extra_special_tokens=[])
    assert expected in refusal(copied)


def test_files_that_contradict_each_other_are_refused(copied, fixtures):
    change(copied, "added_tokens.json", other=120)
    assert "token 120 is 'covid', but 'other' in added_tokens.json" in refusal(copied)
    (copied / "added_tokens.json").unlink()
    lines = (fixtures / "tiny" / "vocab.txt").read_text().splitlines()
    lines[50] = "other"
    (copied / "vocab.txt").write_text("\n".join(lines))
    assert "token 50 is 'other', but" in refusal(copied)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("value", ["<mask>", {"content": "<mask>"}, 3])
def test_other_names_of_special_tokens_are_refused(copied, file, value):
    change(copied, file, mask_token=value)
    assert "mask_token is" in refusal(copied)
