"""Chooses the documents that are held out for evaluation."""

import hashlib
from functools import lru_cache

# One of so many documents at the beginning is held out, so that a small corpus has a held-out one too.
_FIRST_GROUP = 10


def is_held_out(document: int, fraction: float, seed: int, section: int = 0) -> bool:
    """Whether a document belongs to the held-out split.

    One of the first ten documents of a corpus does (never the very first), and then one of each group
    of `1 / fraction` documents. A hash of the seed, the section and the group chooses it. Groups do not
    go on from one section to the next; the last group of a section may be too short for its chosen one.

    Args:
        document: the index of the document in its section.
        fraction: the share of the documents that are held out, 0 to 0.5.
        seed: the seed of the split.
        section: the index of the section in the corpus.
    """
    if not fraction:
        return False
    period = round(1 / fraction)
    if section:
        begin = document - document % period
        return document - begin == _chosen(period, f"{seed}:{section}:{begin}")
    first_group = max(2, min(_FIRST_GROUP, period))
    if document < first_group:
        begin, size = 1, first_group - 1
    else:
        begin, size = document - (document - first_group) % period, period
    return document - begin == _chosen(size, f"{seed}:{begin}")


@lru_cache(maxsize=2)
def _chosen(size: int, group: str) -> int:
    """Which document is held out of a group of `size` documents."""
    digest = hashlib.blake2b(group.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % size
