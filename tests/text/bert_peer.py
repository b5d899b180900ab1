"""The tokenizers library, as BERT's models use it."""

import tokenizers


def bert_tokenizer(
    ids: dict[str, int], lowercase: bool, strip_accents: bool | None
) -> tokenizers.Tokenizer:
    """BERT's tokenizer without special tokens, for a vocabulary of token -> id."""
    peer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=200)
    )
    peer.normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=True,
        lowercase=lowercase,
        strip_accents=strip_accents,
    )
    peer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return peer
