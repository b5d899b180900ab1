"""Says what a pre-training run or a search will take, before anything is paid for.

  python -m lvbert_tf.plan --hparams configs/lv_bert_base.toml --corpus_gb 300 --devices tpu-v5e-16
  python -m lvbert_tf.plan --hparams configs/search_small.toml --search --corpus_gb 300 --devices h100-8

Prints the records of the corpus and the hours to build them, the training step, hours and dollars,
memory, checkpoints, what bounds the run, and which limit it meets first. It reads the hparams alone.

Hours are computed and not measured, by a roofline: the project's own count of FLOPs at the published
peak of a chip, and an estimate of bytes at its published bandwidth. `least` is that. `planned` is at
--share_of_peak and --share_of_bandwidth, or what --instruction_us allows where a chip has little work;
the defaults give LV-BERT-small on a v5e the 40% of the peak that docs/accelerators.md plans with. `slow`
is as slow as a TPU's compiler estimates the step, and has 3 microseconds an instruction. No hours are
counted for compiling, for evaluations and for machines that stand idle. Prices are list prices: give
yours with --dollars_per_chip_hour.

--devices is a kind of chip and the number of chips: tpu-v4-N, tpu-v5e-N, tpu-v5p-N, tpu-v6e-N, a100-N
(40 GB), h100-N or l4-N. Cloud TPU's own names count two cores for each chip of v4 and v5p: its v4-8 is
tpu-v4-4 here.
Exit codes: 0 done, 2 bad input.
"""

import functools
import json
from typing import Any

from absl import flags

from lvbert_tf import cli
from lvbert_tf.plan import tables
from lvbert_tf.plan.chips import Devices
from lvbert_tf.plan.corpus import BuildRates, CorpusPlan
from lvbert_tf.plan.run_plan import Assumptions, RunPlan
from lvbert_tf.plan.search_plan import SearchPlan
from lvbert_tf.plan.step import Efficiency
from lvbert_tf.search.settings import split_hparams, supernet_config, winner_hparams
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the program."""
    flags.DEFINE_string(
        "hparams",
        None,
        "JSON, or a .json or .toml file, as run_pretraining.py takes.",
        required=True,
    )
    flags.DEFINE_string("devices", None, "A kind of chip and how many: tpu-v5e-16.", required=True)
    _define_positive("corpus_gb", None, "Gigabytes (1e9) of text, uncompressed.", required=True)
    flags.DEFINE_bool("search", False, "The hparams are those of run_search.py.")
    flags.DEFINE_integer(
        "trainings", 2, "With --search: strings that are pre-trained by themselves.", lower_bound=0
    )
    flags.DEFINE_bool("json", False, "Print all numbers as JSON, in bytes, seconds and shares.")
    _define_positive("dollars_per_chip_hour", None, "Your price, instead of the list price.")
    _define_positive("share_of_peak", 0.4, "Of the peak FLOP/s that a step reaches.", most=1.0)
    _define_positive("share_of_bandwidth", 0.7, "Of the memory's bandwidth, likewise.", most=1.0)
    _define_positive("instruction_us", 1.0, "Microseconds in which a chip starts an instruction.")
    _define_positive("disk_mb", 200.0, "Megabytes a second that a machine reads and writes.")
    _define_positive("build_mb", 22.0, "Megabytes of text a core and second for building records.")
    flags.DEFINE_integer("build_cores", 32, "Cores of a machine that builds.", lower_bound=1)
    _define_positive("bytes_per_token", 4.4, "Bytes of text a token; 4.4 is English.")


def _define_positive(
    name: str, default: float | None, help_text: str, most: float = 1e12, **options: Any
) -> None:
    flags.DEFINE_float(name, default, help_text, lower_bound=1e-9, upper_bound=most, **options)
    flags.register_validator(name, lambda value: value == value, "not a number")


def main() -> None:
    """Prints the plan."""
    if not FLAGS.search:
        cli.refuse_unused(("trainings",), "without --search")
    hparams, devices = load_hparams(FLAGS.hparams), Devices.parse(FLAGS.devices)
    if FLAGS.search:
        settings, pretraining = split_hparams(hparams)
        config = supernet_config("data", "plan", settings, pretraining)
    else:
        config = PretrainingConfig.create("data", "plan", hparams)
    rates = BuildRates(FLAGS.bytes_per_token, FLAGS.build_mb * 1e6, FLAGS.build_cores)
    corpus = CorpusPlan.of(FLAGS.corpus_gb * 1e9, config.max_seq_length, rates)
    assumed = Assumptions(
        Efficiency(FLAGS.share_of_peak, FLAGS.share_of_bandwidth, FLAGS.instruction_us * 1e-6),
        FLAGS.disk_mb * 1e6,
        FLAGS.dollars_per_chip_hour or devices.chip.dollars,
    )
    plan: RunPlan | SearchPlan
    if FLAGS.search:
        winner = winner_hparams(pretraining)
        plan = SearchPlan.of(config, settings, winner, devices, corpus, assumed, FLAGS.trainings)
    else:
        plan = RunPlan.of(config, devices, corpus, assumed)
    if FLAGS.json:
        print(json.dumps(tables.as_json(devices, corpus, assumed, plan), indent=1))
    elif isinstance(plan, SearchPlan):
        print(tables.search_table(config, devices, corpus, rates, assumed, plan))
    else:
        print(tables.run_table(config, devices, corpus, rates, assumed, plan))


run = functools.partial(cli.run, main, define_flags)

if __name__ == "__main__":
    run()
