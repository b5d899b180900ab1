"""Tokenizers of Hugging Face's transformers with added tokens: makes one, and tokenizes with any.

Not a test: it runs where transformers is installed, and tests start it.

  python transformers_tokenizers.py make DIR VOCABULARY
  python transformers_tokenizers.py ids DIR TEXTS IDS

`make` writes the tokenizer of tests/fixtures/huggingface_tokenizer/ to DIR, and DIR/ids.json; `ids`
reads a list of texts, and writes a list of their ids, without [CLS] and [SEP].
"""

import json
import sys
from pathlib import Path

import transformers
from added_tokens import ADDED, SPECIAL, some_texts


def make(directory: Path, vocabulary: Path) -> None:
    """Saves a tokenizer with added tokens, and what it makes of some texts."""
    tokenizer = transformers.ElectraTokenizer(vocab=str(vocabulary), do_lower_case=True)
    tokenizer.add_tokens([transformers.AddedToken(**token) for token in ADDED])
    special = [transformers.AddedToken(**token, special=True) for token in SPECIAL]
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    tokenizer.save_pretrained(directory)
    texts = some_texts()
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    content = json.dumps({"texts": texts, "ids": ids}, ensure_ascii=False)
    (directory / "ids.json").write_text(content, encoding="utf-8")


def tokenize(directory: Path, texts: Path, ids: Path) -> None:
    """Tokenizes a list of texts with the tokenizer of a directory."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, trust_remote_code=True)
    given = json.loads(texts.read_text(encoding="utf-8"))
    ids.write_text(json.dumps(tokenizer(given, add_special_tokens=False)["input_ids"]))


if __name__ == "__main__":
    target, *others = map(Path, sys.argv[2:])
    if sys.argv[1] == "make":
        make(target, *others)
    else:
        tokenize(target, *others)
