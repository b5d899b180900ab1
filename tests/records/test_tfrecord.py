import tensorflow as tf

from lvbert_tf.records.tfrecord import frame


def test_frames_are_what_tensorflow_writes(tmp_path):
    messages = [bytes(range(size % 256)) * 3 + b"tail" for size in range(0, 500, 7)]
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for message in messages:
            writer.write(message)
    assert b"".join(frame(messages)) == (tmp_path / "records").read_bytes()
    assert frame([]) == []
