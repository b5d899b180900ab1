"""A training step on some devices: its FLOPs, its bytes, and how long it takes.

The least time is that of a roofline (Williams et al. 2009): the project's own count of FLOPs at the
published peak of a chip, or the bytes through its memory at the published bandwidth, whichever takes
longer. After it the chips exchange their gradients. What is planned is slower, by two shares that a user
can change, and takes at least the time in which a chip starts its instructions, which is assumed.

Bytes and memory are estimates, made of three steps compiled for a TPU v5e (docs/scaling.md): that of
LV-BERT-small, and that of LV-BERT-base with 16 and with 256 sequences. A vector here has 16 bits for
each channel of each token. Without what the weights cost, these steps pass 18, 31 and 65 vectors of each
layer through the memory: the more, the less of a step fits into the chip's own memory.
"""

from dataclasses import dataclass

from lvbert_tf.architecture.model_config import ModelConfig
from lvbert_tf.errors import InputError
from lvbert_tf.plan.chips import Devices
from lvbert_tf.settings.networks import Networks
from lvbert_tf.settings.pretraining import PretrainingConfig

# Of a layer through the memory of the chip, forwards and backwards: where the widest vectors of a layer
# fit into the chip's own memory, and where they do not.
_VECTORS_PASSED, _ALL_VECTORS_PASSED = 18, 65
_ON_CHIP_BYTES = 128e6  # a v5e's; other chips are taken to be alike
_VECTORS_KEPT = 7.4  # of a layer until the backward pass
_OPTIMIZER_BYTES = 40  # a parameter and step: weights, moments and gradients, read and written
_GRADIENT_BYTES = 4  # a parameter; gradients are summed in float32
_CODE_BYTES = 320e6  # the compiled step of 24 layers
# Instructions of those compiled steps without copies, for each layer of either network. What it costs to
# start one matters where a chip has little work. It was not measured here: a published run of 80 small
# kernels on a GPU (cuda.juliagpu.org/dev/usage/graphs) takes 0.9 microseconds a kernel as a graph, 3.3
# when each is launched by itself, their work included. For TPUs no figure was found.
_INSTRUCTIONS, _SLOW_INSTRUCTION_SECONDS = 120, 3e-6
# The share of a v5e's peak that the steps of LV-BERT-small and -base reach by libtpu's own estimate, the
# slowest of all figures that there are. No accelerator has confirmed or refuted it yet.
_SLOW_SHARES = {"narrow": 0.11, "wide": 0.20}
_WIDE = 511


@dataclass(frozen=True)
class Efficiency:
    """What a step is planned to reach of a chip's published speeds, and what they leave out.

    Attributes:
      peak: share of the peak FLOP/s, where arithmetic is what takes longest.
      bandwidth: share of the memory's bandwidth, where that is.
      instruction_seconds: the time in which a chip starts an instruction.
    """

    peak: float
    bandwidth: float
    instruction_seconds: float


@dataclass(frozen=True)
class StepPlan:
    """One training step.

    Attributes:
      parameters: trainable parameters of all networks, those of a supernet's blocks included.
      flops: FLOPs of the step on all chips together, by the project's count.
      chip_bytes: bytes through the memory of each chip.
      arithmetic_seconds: the chip's share of the FLOPs at its peak.
      memory_seconds: `chip_bytes` at its bandwidth.
      instructions: how many instructions each chip starts, an estimate.
      all_reduce_bytes: bytes of gradients that each chip adds to the sum.
      all_reduce_seconds: the time of that sum.
      state_bytes: weights, moments and averages: in the memory of each chip, and in a checkpoint.
      activation_bytes: what a chip keeps for the backward pass, an estimate.
      chip_memory: what a chip needs in all, an estimate.
    """

    parameters: int
    flops: float
    chip_bytes: float
    arithmetic_seconds: float
    memory_seconds: float
    instructions: int
    all_reduce_bytes: float
    all_reduce_seconds: float
    state_bytes: int
    activation_bytes: float
    chip_memory: float

    @classmethod
    def of(cls, config: PretrainingConfig, devices: Devices) -> "StepPlan":
        """Plans the step of a run.

        Raises:
          InputError: the batch cannot be divided among the devices.
        """
        parts = config.gradient_accumulation_steps
        if config.train_batch_size % (devices.count * parts):
            times = f" x gradient_accumulation_steps {parts}" if parts > 1 else ""
            raise InputError(
                f"train_batch_size {config.train_batch_size} is not a multiple of"
                f" {devices.count} devices{times}; give another number of devices or another batch"
            )
        networks, chip = config.networks, devices.chip
        parameters = networks.num_parameters()
        flops = config.training_flops * config.train_batch_size
        vectors = layer_vectors(networks) * config.train_batch_size * config.max_seq_length
        vectors /= devices.count
        gradients = _GRADIENT_BYTES * parameters
        tokens = config.train_batch_size * config.max_seq_length / devices.count / parts
        fits = 2 * tokens * config.discriminator.intermediate_dim <= _ON_CHIP_BYTES
        passed = _VECTORS_PASSED if fits else _ALL_VECTORS_PASSED
        chip_bytes = passed * vectors + _OPTIMIZER_BYTES * parameters
        state = parameters * (16 if config.ema_decay else 12)
        activations = _VECTORS_KEPT * vectors / parts
        return cls(
            parameters=parameters,
            flops=flops,
            chip_bytes=chip_bytes,
            arithmetic_seconds=flops / devices.count / chip.peak_flops,
            memory_seconds=chip_bytes / chip.bandwidth,
            instructions=parts * _INSTRUCTIONS * num_layers(networks),
            all_reduce_bytes=gradients,
            all_reduce_seconds=devices.all_reduce_seconds(gradients),
            state_bytes=state,
            activation_bytes=activations,
            chip_memory=state + gradients + activations + _CODE_BYTES,
        )

    @property
    def least_seconds(self) -> float:
        """The roofline, and then the exchange of gradients."""
        return max(self.arithmetic_seconds, self.memory_seconds) + self.all_reduce_seconds

    def planned_seconds(self, efficiency: Efficiency) -> float:
        """The time of a step that is so efficient, and then exchanges gradients."""
        return self.computing(efficiency)[self.slowest(efficiency)] + self.all_reduce_seconds

    def computing(self, efficiency: Efficiency) -> dict[str, float]:
        """Seconds that overlap with each other, by what they are spent on."""
        return {
            "arithmetic": self.arithmetic_seconds / efficiency.peak,
            "memory bandwidth of the chips": self.memory_seconds / efficiency.bandwidth,
            "starting instructions": self.instructions * efficiency.instruction_seconds,
        }

    def slowest(self, efficiency: Efficiency) -> str:
        """What takes longest, by its name in `computing`."""
        seconds = self.computing(efficiency)
        return max(seconds, key=seconds.__getitem__)


def slow(config: PretrainingConfig, planned: Efficiency) -> Efficiency:
    """The efficiency that libtpu estimates, where that is lower than the planned one."""
    peak = _SLOW_SHARES["wide" if config.hidden_dim >= _WIDE else "narrow"]
    return Efficiency(
        min(peak, planned.peak),
        planned.bandwidth,
        max(_SLOW_INSTRUCTION_SECONDS, planned.instruction_seconds),
    )


def layer_vectors(networks: Networks) -> float:
    """Bytes of one vector of each layer for one token, in 16 bits."""
    return 2.0 * sum(
        len(encoder.layer_string) * encoder.hidden_dim for encoder in _computed(networks)
    )


def num_layers(networks: Networks) -> int:
    """The layers that a step computes, those of the generator included."""
    return sum(len(encoder.layer_string) for encoder in _computed(networks))


def _computed(networks: Networks) -> list[ModelConfig]:
    """The encoders that a step computes, as often as it does."""
    wiring, generator = networks.wiring, networks.generator
    if generator is None or not wiring.detects_replacements:
        return [networks.discriminator]
    towers = 2 if wiring.two_tower_generator else 1
    return [networks.discriminator, *[generator] * towers]
