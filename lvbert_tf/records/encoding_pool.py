"""Encodes the parts of a corpus in threads or processes, in order, a bounded number at a time."""

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from lvbert_tf.errors import InputError
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.corpus_parts import CorpusPart
from lvbert_tf.records.part_encoder import EncodedSplit, EncodingSettings, PartEncoder

# The number of parts that wait or are encoded, for each process. It bounds the memory and keeps every
# process busy.
_PARTS_AHEAD = 3

_encoder: PartEncoder | None = None


def encode_parts(
    parts: Iterable[CorpusPart], settings: EncodingSettings, num_processes: int
) -> Iterator[tuple[EncodedSplit, EncodedSplit]]:
    """Yields the training and the held-out records of each part, in the order of the parts.

    Args:
        parts: the parts, which are read in this process, as far ahead as the other processes need.
        settings: the settings of the encoder.
        num_processes: 1 encodes in this process; a higher number starts as many other processes.

    Raises:
        InputError: a process was killed, as the system does when memory runs out.
    """
    executor: Executor
    encode: Callable[[CorpusPart], tuple[EncodedSplit, EncodedSplit]]
    if num_processes == 1:
        import_tensorflow()
        # TensorFlow tokenizes without holding the interpreter's lock: one part is tokenized while
        # another one is divided into examples and a third one is read.
        executor, encode = ThreadPoolExecutor(_PARTS_AHEAD), PartEncoder(settings)
    else:
        executor = ProcessPoolExecutor(
            num_processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(settings,),
        )
        encode = _encode
    try:
        pending: collections.deque[Future] = collections.deque()
        for part in parts:
            with _unseen_interrupts():
                pending.append(executor.submit(encode, part))
            if len(pending) >= _PARTS_AHEAD * num_processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise InputError(
            "a building process was killed (out of memory?); try fewer with --num_processes"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _unseen_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C from the processes that are started in this context.

    A terminal sends it to all processes; this one ends the others.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _start_worker(settings: EncodingSettings) -> None:
    global _encoder
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import_tensorflow()
    import tensorflow as tf

    # The processes share the cores already.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _encoder = PartEncoder(settings)


def _end_with_parent() -> None:
    """Ends this process with its parent, which a waiting worker would otherwise outlive."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _encode(part: CorpusPart) -> tuple[EncodedSplit, EncodedSplit]:
    assert _encoder is not None
    return _encoder(part)
