"""Where the processor's time of a pre-training step goes, by kind of work.

    taskset -c 0 python -m benchmarks.step_profile --precision bfloat16

Takes the flags of own_step.py. Prints the CPU time of a step, then CPU milliseconds and number of
operations by kind from TensorFlow's profiler, and its largest operations. On one core nothing waits for
another thread, so the sum is the step; the profiler itself adds about a twentieth.
"""

import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import own_step
from benchmarks.baselines import stepping
from lvbert_tf.settings.pretraining import PretrainingConfig

# The first that matches an operation's type or, in compiled stretches, the name of XLA's loop.
KINDS = {
    "matrix products": r"MatMul",
    "starting compiled stretches": r"Start$|ExecuteAsync|^Done$|BlockUntilReady|Execute$|Xla",
    "compiled stretches": r"fusion|^dot|^wrapped_|^iota|^concat|^copy|^bitcast|^call|reduce",
    "starting other operations": r"Process$|Executor",
    "casts": r"^Cast$",
    "sums of gradients": r"^AddN|AssignAdd|UnsortedSegmentSum",
    "convolutions": r"Conv2d",
    "transposes": r"Transpose|^Pack$|^Unpack$",
}
LARGEST = 12


def kind_of(name: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, name)), "the rest")


def own_times(space: xplane_pb2.XSpace) -> tuple[Counter, Counter]:
    """Picoseconds and number of events by type, without those of the events inside them."""
    picoseconds, counts = Counter(), Counter()
    for plane in space.planes:
        for line in plane.lines:
            if "tf_Compute" not in line.name and "Eigen" not in line.name:
                continue
            around = []  # (type, end) of the events around the present one
            for event in sorted(line.events, key=lambda e: (e.offset_ps, -e.duration_ps)):
                name = plane.event_metadata[event.metadata_id].name
                name = name.rsplit(":", 1)[-1]  # of "place in the graph:type"
                while around and around[-1][1] <= event.offset_ps:
                    around.pop()
                if around:
                    picoseconds[around[-1][0]] -= event.duration_ps
                picoseconds[name] += event.duration_ps
                counts[name] += 1
                around.append((name, event.offset_ps + event.duration_ps))
    return picoseconds, counts


def profile(step, steps: int) -> tuple[Counter, Counter]:
    with tempfile.TemporaryDirectory() as directory:
        tf.profiler.experimental.start(directory)
        for _ in range(steps):
            step()
        tf.profiler.experimental.stop()
        (path,) = Path(directory).rglob("*.xplane.pb")
        return own_times(xplane_pb2.XSpace.FromString(path.read_bytes()))


def main() -> None:
    flags, precision, hparams = own_step.parse_flags(__doc__.splitlines()[0])
    config = PretrainingConfig.create("unused", "benchmark", hparams)
    step = own_step.build_step(flags, config, precision)
    stepping.time_steps(step, 0, flags.warmup + 1)
    start = time.process_time()
    for _ in range(flags.steps):
        step()
    print(f"{1000 * (time.process_time() - start) / flags.steps:.0f} CPU ms a step, {precision}")

    picoseconds, counts = profile(step, flags.steps)
    by_kind, operations = Counter(), Counter()
    for name, value in picoseconds.items():
        by_kind[kind_of(name)] += value
        operations[kind_of(name)] += counts[name]
    for title, times, numbers in (
        ("kind", by_kind, operations),
        ("largest", Counter(dict(picoseconds.most_common(LARGEST))), counts),
    ):
        print(f"\n| {title} | CPU ms | operations |\n|---|---|---|")
        for name, value in times.most_common():
            print(
                f"| {name} | {value / 1e9 / flags.steps:.1f} | {numbers[name] / flags.steps:.0f} |"
            )


if __name__ == "__main__":
    main()
