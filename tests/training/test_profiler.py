import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from lvbert_tf.settings.schedule import StepRange
from lvbert_tf.training.profiler import Profiler


def recorded_steps(directory):
    """The numbers of the steps in the only profile of a directory."""
    (file,) = directory.glob("plugins/profile/*/*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(file.read_bytes())
    found = set()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                if plane.event_metadata[event.metadata_id].name.startswith("train"):
                    found |= {
                        stat.int64_value or stat.uint64_value or int(stat.str_value or 0)
                        for stat in event.stats
                        if plane.stat_metadata[stat.metadata_id].name == "step_num"
                    }
    return found


def run(profiler, steps):
    for step in steps:
        with profiler.around(step):
            tf.constant(1.0) + 1.0


def test_it_records_these_steps(tmp_path):
    profiler = Profiler(tmp_path, StepRange(2, 4))
    run(profiler, range(6))
    assert recorded_steps(tmp_path) == {3, 4}
    assert next(tmp_path.glob("plugins/profile/*/*")).exists()
    profiler.close()


def test_a_run_that_ends_early_keeps_what_was_recorded(tmp_path):
    profiler = Profiler(tmp_path, StepRange(2, 9))
    run(profiler, range(4))
    assert not list(tmp_path.glob("plugins/**/*.pb"))
    profiler.close()
    assert recorded_steps(tmp_path) == {3, 4}


def test_without_steps_it_writes_nothing(tmp_path):
    profiler = Profiler(tmp_path, None)
    run(profiler, range(3))
    profiler.close()
    assert not list(tmp_path.iterdir())
