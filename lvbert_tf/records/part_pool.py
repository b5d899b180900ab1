"""Works on the parts of a corpus in threads or processes, in order, a bounded number at a time."""

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
from typing import Any, TypeVar

from lvbert_tf.errors import InputError
from lvbert_tf.quiet_import import import_tensorflow
from lvbert_tf.records.corpus_parts import CorpusPart

Result = TypeVar("Result")

# The number of parts that wait or are worked on, for each process. It bounds the memory and keeps every
# process busy.
_PARTS_AHEAD = 3

_work: Callable[[CorpusPart], Any] | None = None


def map_parts(
    parts: Iterable[CorpusPart],
    make: Callable[[], Callable[[CorpusPart], Result]],
    num_processes: int,
) -> Iterator[Result]:
    """Yields what a function returns for each part, in the order of the parts.

    Args:
        parts: the parts, which are taken in this process, as far ahead as the other processes need.
        make: makes the function, once in each process; it can be pickled, the function need not be.
        num_processes: 1 works in this process; a higher number starts as many other processes.

    Raises:
        InputError: a process was killed, as the system does when memory runs out.
    """
    executor: Executor
    work: Callable[[CorpusPart], Result]
    if num_processes == 1:
        import_tensorflow()
        # TensorFlow works without holding the interpreter's lock: one part is in TensorFlow while
        # another one is in Python and a third one is read.
        executor, work = ThreadPoolExecutor(_PARTS_AHEAD), make()
    else:
        executor = ProcessPoolExecutor(
            num_processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(make,),
        )
        work = _work_on
    try:
        pending: collections.deque[Future] = collections.deque()
        for part in parts:
            with unseen_interrupts():
                pending.append(executor.submit(work, part))
            if len(pending) >= _PARTS_AHEAD * num_processes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool as error:
        raise killed() from error
    finally:
        executor.shutdown(cancel_futures=True)


def killed() -> InputError:
    """The error that another process of this program was killed."""
    return InputError(
        "a building process was killed (out of memory?); try fewer with --num_processes"
    )


@contextlib.contextmanager
def unseen_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C from the processes that are started in this context.

    A terminal sends it to all processes; this one ends the others.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def end_with_parent() -> None:
    """Ends this process with the one that started it, which it would otherwise outlive when it waits."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _start_worker(make: Callable[[], Callable[[CorpusPart], Any]]) -> None:
    global _work
    end_with_parent()
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import_tensorflow()
    import tensorflow as tf

    # The processes share the cores already.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    _work = make()


def _work_on(part: CorpusPart) -> Any:
    assert _work is not None
    return _work(part)
