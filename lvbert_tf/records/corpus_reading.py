"""Reads a corpus in one process or in several, with the same parts in the same order.

Each lane belongs to one reading process. It takes turns among its lanes as all lanes take turns, so what
it sends comes in the order in which it is taken. A process is at most a part ahead of what was taken.
"""

import contextlib
import multiprocessing
from collections.abc import Iterator
from itertools import chain
from multiprocessing.connection import Connection

from lvbert_tf.records.corpus import Corpus
from lvbert_tf.records.corpus_order import Lane, Position, ReadPart, interleaved, lanes_from
from lvbert_tf.records.part_pool import end_with_parent, killed, unseen_interrupts


def read_corpus(corpus: Corpus, position: Position, num_processes: int) -> Iterator[ReadPart]:
    """Reads a corpus or a share of it, in the order in which the parts are written.

    Args:
        corpus: the corpus.
        position: where to begin.
        num_processes: 1 reads in this process, and so does any number if there is one lane to read;
            otherwise as many other processes are started, no more than there are lanes.

    Raises:
        InputError: see `Corpus.read`; or a process was killed.
    """
    lanes = lanes_from(corpus, position)
    if num_processes == 1 or len(lanes) < 2:
        yield from interleaved(lanes)
        return
    count = min(num_processes, len(lanes))
    context = multiprocessing.get_context("spawn")
    processes, received = [], []
    try:
        for number in range(count):
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(
                target=_read, args=(lanes[number::count], sending), daemon=True
            )
            with unseen_interrupts():
                process.start()
            sending.close()  # here, so that reading it ends when the process does
            processes.append(process)
            received.append(receiving)
        yield from interleaved([_receive(received[n % count]) for n in range(len(lanes))])
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _receive(connection: Connection) -> Iterator[ReadPart]:
    """Yields the parts of the lane whose turn it is in the process at the other end, until it ends."""
    while True:
        try:
            item = connection.recv()
        except (EOFError, OSError):  # between two messages, or amid one
            raise killed() from None
        if isinstance(item, Exception):
            raise item
        if item is None:
            return
        yield item


def _read(lanes: list[Lane], connection: Connection) -> None:
    """Sends the parts of some lanes, and None when a lane ends."""
    end_with_parent()
    with contextlib.suppress(BrokenPipeError):  # the process that started it was killed
        try:
            for item in interleaved([chain(lane, [None]) for lane in lanes]):
                connection.send(item)
        except Exception as error:
            connection.send(error)
