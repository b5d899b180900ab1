"""Encodes units of text in threads or processes, in order, a bounded number at a time."""

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
from lvbert_tf.records.units import EncodedSplit, EncodingSettings, Unit, UnitEncoder

# Units waiting or at work, for each process: bounds the memory and keeps every process busy.
_UNITS_AHEAD = 3

_encoder: UnitEncoder | None = None


def encode_units(
    units: Iterable[Unit], settings: EncodingSettings, num_processes: int
) -> Iterator[tuple[EncodedSplit, EncodedSplit]]:
    """Yields each unit's training and held-out part, in the units' order.

    Args:
        units: read in this process, as far ahead as the processes need.
        settings: what the encoder needs.
        num_processes: 1 encodes in this process; more start so many others.

    Raises:
        InputError: if a process is killed, which is what happens when memory runs out.
    """
    executor: Executor
    encode: Callable[[Unit], tuple[EncodedSplit, EncodedSplit]]
    if num_processes == 1:
        import_tensorflow()
        # TensorFlow tokenizes without holding the interpreter: one unit is tokenized while
        # another is packed and a third one is read.
        executor, encode = ThreadPoolExecutor(_UNITS_AHEAD), UnitEncoder(settings)
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
        for unit in units:
            with _unseen_interrupts():
                pending.append(executor.submit(encode, unit))
            if len(pending) >= _UNITS_AHEAD * num_processes:
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
    """Processes that start within it never see Ctrl-C, which a terminal sends to all: we end them."""
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
    _encoder = UnitEncoder(settings)


def _end_with_parent() -> None:
    """A worker waiting for work would outlive a parent that was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _encode(unit: Unit) -> tuple[EncodedSplit, EncodedSplit]:
    assert _encoder is not None
    return _encoder(unit)
