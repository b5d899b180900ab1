"""Measuring the peak that the speed of a run is compared with."""

import time

import tensorflow as tf


def measure_matmul_peak(dtype: str, seconds: float = 0.4, parts: int = 1) -> float:
    """The highest rate of a large matrix product on the first device, in FLOP/s.

    Args:
      dtype: `float32`, `bfloat16` or `float16`.
      seconds: how long the measurement takes.
      parts: how many products are computed at the same time; see `parts_of_batch`.
    """
    accelerated = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU")
    size = 4096 if accelerated else 1024
    left = tf.random.stateless_normal([size, size], [1, 2], dtype=tf.float32)
    left = tf.cast(left / size**0.5, dtype)

    @tf.function
    def products(rights):
        return [tf.matmul(left, right) for right in rights]

    results = products([left] * parts)
    results[0].numpy()
    best, start = 0.0, time.perf_counter()
    chain = 8 if accelerated else 1
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        for _ in range(chain):
            results = products(results)
        results[0][:1, :1].numpy()  # waits for the device
        best = max(best, chain * parts * 2 * size**3 / (time.perf_counter() - begin))
    return best
