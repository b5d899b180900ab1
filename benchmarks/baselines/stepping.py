"""What the baseline drivers share: command line, input batch, timing and the JSON line.

Runs under Python 3.7 (the reference needs TensorFlow 1.15), so newer syntax stays out.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

LV_BERT_SMALL = "CCAFFACFFACCAFCFACFCAAFA"
ELECTRA_SMALL = "AF" * 12
VOCABULARY_SIZE = 30522
# Line numbers of BERT's uncased vocabulary.
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = 0, 100, 101, 102, 103
FIRST_WORD_ID = 1000


def argument_parser(description: str, layers: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags that every baseline driver understands.

    Args:
        description: text for `--help`.
        layers: default layer string, one letter of C, A, F a layer.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--layers", type=layer_letters, default=layers, help="layer string over C, A, F"
    )
    parser.add_argument("--batch_size", type=positive, default=32, help="sequences a step")
    parser.add_argument("--max_seq_length", type=positive, default=128, help="tokens a sequence")
    parser.add_argument("--steps", type=positive, default=5, help="timed steps")
    parser.add_argument("--warmup", type=positive, default=1, help="steps before the timed ones")
    return parser


def positive(text: str) -> int:
    """Parses an integer above zero."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return number


def layer_letters(text: str) -> str:
    """Parses a layer string such as `CCAFFA`."""
    for position, letter in enumerate(text):
        if letter not in "CAF":
            raise argparse.ArgumentTypeError(
                f"{letter!r} at position {position} is not one of C, A, F"
            )
    if not text or len(text) % 2:
        # The reference counts layers in pairs and drops the last of an odd list.
        raise argparse.ArgumentTypeError(f"needs an even number of layers, got {len(text)}")
    return text


def random_sentence_pairs(batch_size: int, length: int, seed: int = 0):
    """Draws unpadded sentence pairs `[CLS] a [SEP] b [SEP]` of Zipf-distributed tokens.

    Returns:
        `(token_ids, segment_ids)`, int32 of shape (batch_size, length).
    """
    generator = np.random.RandomState(seed)
    ranks = np.arange(1, VOCABULARY_SIZE - FIRST_WORD_ID + 1)
    frequencies = (1.0 / ranks) / np.sum(1.0 / ranks)
    token_ids = FIRST_WORD_ID + generator.choice(
        ranks.size, size=(batch_size, length), p=frequencies
    )
    middle = length // 2
    token_ids[:, 0] = CLS_ID
    token_ids[:, [middle, length - 1]] = SEP_ID
    segment_ids = np.broadcast_to(np.arange(length) > middle, token_ids.shape)
    return token_ids.astype(np.int32), segment_ids.astype(np.int32)


def time_steps(step: Callable[[], float], warmup: int, steps: int) -> dict:
    """Runs `step` and times it.

    Args:
        step: does one whole training step and returns its loss.
        warmup: calls that are not timed.
        steps: timed calls.

    Returns:
        `all` (seconds of every timed step), `warmup` (seconds of the others), `loss` (the last).
    """
    seconds = []
    loss = float("nan")
    for _ in range(warmup + steps):
        start = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - start)
    return {"all": seconds[warmup:], "warmup": seconds[:warmup], "loss": float(loss)}


def print_result(flags: argparse.Namespace, timing: dict, **facts) -> None:
    """Prints one JSON line: the median and fastest step, throughput, peak memory and `facts`."""
    median = statistics.median(timing["all"])
    result = {
        "seconds_per_step": median,
        "fastest_seconds_per_step": min(timing["all"]),
        "sequences_per_second": flags.batch_size / median,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "layers": flags.layers,
        "batch_size": flags.batch_size,
        "max_seq_length": flags.max_seq_length,
    }
    result.update(timing)
    result.update(facts)
    print(json.dumps(result), flush=True)
