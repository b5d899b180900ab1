"""Chooses the documents that are held out for evaluation."""

import hashlib
from functools import lru_cache

# One of so many documents at the beginning is held out, so that a small corpus has a held-out one too.
_FIRST_GROUP = 10


def is_held_out(document: int, fraction: float, seed: int) -> bool:
    """Whether a document belongs to the held-out split.

    One of the first ten documents does (never the very first), and then one of each group of
    `1 / fraction` documents. A hash of the seed and the group chooses it.

    Args:
        document: the index of the document in the corpus.
        fraction: the share of the documents that are held out, 0 to 0.5.
        seed: the seed of the split.
    """
    if not fraction:
        return False
    period = round(1 / fraction)
    first_group = max(2, min(_FIRST_GROUP, period))
    if document < first_group:
        begin, size = 1, first_group - 1
    else:
        begin, size = document - (document - first_group) % period, period
    return document - begin == _chosen(size, seed, begin)


@lru_cache(maxsize=2)
def _chosen(size: int, seed: int, begin: int) -> int:
    """Which document is held out of the `size` documents from `begin` on."""
    digest = hashlib.blake2b(f"{seed}:{begin}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size
