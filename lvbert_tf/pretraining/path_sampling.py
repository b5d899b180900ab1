"""Draws the paths of a supernet that a training step runs."""

from dataclasses import dataclass

import tensorflow as tf

from lvbert_tf.settings.networks import Networks

_STREAM = 3  # keeps these random numbers apart from those of masking and dropout


@dataclass(frozen=True)
class PathSampler:
    """Draws the paths of a step. It is called outside the replicas, so that all get the same paths.

    The method "uniform" draws one path, each layer independently (single-path one-shot search: Guo et
    al., 2020, section 3.3). The method "fair" draws a permutation of the layer types at each position.
    The first types of all permutations are the first path, and so on, so that a step trains every block
    exactly once (strict fairness: Chu et al., 2021, section 3.2).

    Args:
        method: "uniform" or "fair".
        num_layers: the number of layers of a path.
        num_types: the number of blocks at each position.
    """

    method: str
    num_layers: int
    num_types: int

    @classmethod
    def of(cls, networks: Networks, method: str) -> "PathSampler | None":
        """The sampler of a supernet's paths; None for an ordinary encoder."""
        layer_types = networks.wiring.layer_types
        if layer_types is None:
            return None
        return cls(method, len(networks.discriminator.layer_string), len(layer_types))

    @property
    def num_paths(self) -> int:
        """The number of paths of a step."""
        return self.num_types if self.method == "fair" else 1

    def sample(self, seed: tf.Tensor) -> tf.Tensor:
        """Draws a step's paths.

        Args:
            seed: int32 of shape (2,), the seed of the run and the step.

        Returns:
            indices of layer types, int32 of shape (num_paths, num_layers).
        """
        seed = tf.random.experimental.stateless_fold_in(seed, _STREAM, alg="philox")
        if self.method == "uniform":
            shape = [1, self.num_layers]
            return tf.random.stateless_uniform(
                shape, seed, maxval=self.num_types, dtype=tf.int32, alg="philox"
            )
        keys = tf.random.stateless_uniform([self.num_types, self.num_layers], seed, alg="philox")
        return tf.argsort(keys, axis=0)  # the order of random keys is a permutation in every column
