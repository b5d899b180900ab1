"""What a run takes, against numbers computed by hand, records that were built, and compiled steps."""

import itertools
from pathlib import Path

import pytest

from lvbert_tf.errors import InputError
from lvbert_tf.plan.chips import CHIPS, Devices
from lvbert_tf.plan.corpus import BuildRates, CorpusPlan, record_bytes
from lvbert_tf.plan.run_plan import Assumptions, RunPlan, parts_that_fit
from lvbert_tf.plan.search_plan import SearchPlan
from lvbert_tf.plan.step import Efficiency, StepPlan
from lvbert_tf.search.settings import split_hparams, supernet_config, winner_hparams
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams

ROOT = Path(__file__).parents[2]
EFFICIENCY = Efficiency(peak=0.4, bandwidth=0.7, instruction_seconds=1e-6)
ASSUMED = Assumptions(EFFICIENCY, disk=200e6, dollars=1.5)
CORPUS = CorpusPlan.of(300e9, 128, BuildRates(bytes_per_token=4.4, core_rate=22e6, cores=32))


def config_of(name: str, **hparams) -> PretrainingConfig:
    return PretrainingConfig.create(
        "data", "plan", {**load_hparams(str(ROOT / "configs" / f"{name}.toml")), **hparams}
    )


def plan_of(config: PretrainingConfig, devices: str) -> RunPlan:
    return RunPlan.of(config, Devices.parse(devices), CORPUS, ASSUMED)


def test_a_step_by_hand():
    """One attention layer of width 64 over 16 tokens, with the head of the discriminator."""
    config = PretrainingConfig.create(
        "data",
        "plan",
        {
            "custom_layer_list": "A",
            "model_hparam_overrides": {"hidden_size": 64, "max_position_embeddings": 16},
            "embedding_size": 64,
            "vocab_size": 100,
            "uniform_generator": True,
            "max_seq_length": 16,
            "train_batch_size": 8,
        },
    )
    dense = 64 * 64 + 64
    layer_norm = 2 * 64
    parameters = (100 + 16 + 2) * 64 + layer_norm + 4 * dense + layer_norm + dense + 64 + 1
    forward = 16 * (4 * 2 * 64 * 64 + 2 * 2 * 16 * 64 + 2 * 64 * 64 + 2 * 64)
    step = StepPlan.of(config, Devices.parse("a100-2"))
    assert step.parameters == parameters
    assert step.flops == 3 * forward * 8
    assert step.arithmetic_seconds == step.flops / 2 / 312e12
    assert step.chip_bytes == 40 * parameters + 18 * (2 * 64) * 16 * 4
    assert step.state_bytes == 12 * parameters
    assert step.all_reduce_seconds == 4 * parameters / 300e9
    assert step.instructions == 120


@pytest.mark.parametrize(
    ("name", "sequences", "hbm_gigabytes", "memory_gigabytes"),
    [
        ("lv_bert_small", 128, 5.15, 2.42),
        ("lv_bert_base", 16, 7.50, 2.76),
        ("lv_bert_base", 256, 108.5, 13.58),
    ],
)
def test_estimates_agree_with_steps_compiled_for_a_tpu(
    name, sequences, hbm_gigabytes, memory_gigabytes
):
    """The numbers are those of docs/performance.md and docs/scaling.md."""
    step = StepPlan.of(config_of(name, train_batch_size=sequences), Devices.parse("tpu-v5e-1"))
    assert 0.8 * hbm_gigabytes * 1e9 < step.chip_bytes < 1.02 * hbm_gigabytes * 1e9
    assert step.chip_memory == pytest.approx(memory_gigabytes * 1e9, rel=0.06)


def test_the_plan_of_lv_bert_small_on_a_v5e_is_that_of_the_documentation():
    plan = plan_of(config_of("lv_bert_small"), "tpu-v5e-1")
    assert plan.least.hours == pytest.approx(1.7, abs=0.05)
    assert plan.planned.hours == pytest.approx(3.6, rel=0.07)
    assert plan.slow.hours == pytest.approx(13, abs=0.2)
    assert plan.planned.dollars == plan.planned.hours * 1.5
    assert plan.step.arithmetic_seconds / plan.step_seconds == pytest.approx(0.4, abs=0.025)


def test_what_starting_instructions_adds():
    """A little work on a fast chip is mostly starting instructions; otherwise they do not matter."""
    config = config_of("lv_bert_base")
    fast, slower = plan_of(config, "h100-8"), plan_of(config, "a100-8")
    step = fast.step
    work = max(step.arithmetic_seconds / 0.4, step.memory_seconds / 0.7)
    free_hours = fast.steps * (work + step.all_reduce_seconds) / 3600 + fast.saving.hours
    assert fast.bound == "starting instructions"
    assert fast.free_starts.hours == pytest.approx(free_hours) and free_hours < fast.planned.hours
    assert slower.free_starts == slower.planned


def test_all_reduce_by_hand():
    size = 1e9
    assert Devices.parse("h100-1").all_reduce_seconds(size) == 0
    assert Devices.parse("a100-8").all_reduce_seconds(size) == 2 * 7 / 8 * size / 300e9
    two_machines = 2 * 7 / 8 * size / 300e9 + 2 * 1 / 2 * size / 12.5e9
    assert Devices.parse("a100-16").all_reduce_seconds(size) == two_machines
    assert Devices.parse("tpu-v5e-16").all_reduce_seconds(size) == 2 * 15 / 16 * size / 200e9


@pytest.mark.parametrize("kind", CHIPS)
def test_more_devices_help_until_a_bound(kind):
    config = config_of("lv_bert_base")
    # On one chip the vectors of a layer do not fit, so two are more than twice as fast.
    plans = [plan_of(config, f"{kind}-{2**power}") for power in range(1, 9)]
    for fewer, more in itertools.pairwise(plans):
        assert more.least.hours > fewer.least.hours / 2
        assert more.reading.epochs == fewer.reading.epochs
        assert more.step.chip_memory < fewer.step.chip_memory
    first, second = plans[:2]
    assert second.planned.hours == pytest.approx(first.planned.hours / 2, rel=0.15)
    assert plans[0].bound == "arithmetic" != plans[-1].bound


def test_checkpoints():
    config = config_of("lv_bert_small", ema_decay=0.999, keep_checkpoint_max=0)
    plan = plan_of(config, "tpu-v5e-1")
    saving = plan.saving
    assert saving.bytes == 16 * config.networks.num_parameters()
    assert (saving.number, saving.disk_bytes) == (200, 200 * saving.bytes)
    assert saving.seconds == saving.bytes / 200e6
    assert saving.hours == 200 * saving.seconds / 3600
    assert saving.minutes_lost == 2500 * plan.step_seconds / 60
    assert plan_of(config_of("lv_bert_small"), "tpu-v5e-1").saving.disk_bytes == 3 * 12 * (
        config.networks.num_parameters()
    )


def test_the_input_bounds_a_run_whose_disk_is_slow():
    slow_disk = Assumptions(EFFICIENCY, disk=1e6, dollars=1)
    plan = RunPlan.of(config_of("lv_bert_small"), Devices.parse("h100-8"), CORPUS, slow_disk)
    assert plan.bound == "input"
    assert plan.step_seconds == 128 * CORPUS.record_bytes / 1e6
    assert plan.breaks_first == "disk, reading"
    assert plan.used["disk, reading"] == pytest.approx(1)


def test_a_batch_that_does_not_fit():
    config, devices = config_of("lv_bert_base", train_batch_size=2048), Devices.parse("l4-2")
    plan = plan_of(config, "l4-2")
    assert plan.used["memory of a chip"] > 1 and plan.breaks_first == "memory of a chip"
    parts = parts_that_fit(config, devices)
    assert parts == 4
    fits = config_of("lv_bert_base", train_batch_size=2048, gradient_accumulation_steps=parts)
    less = config_of("lv_bert_base", train_batch_size=2048, gradient_accumulation_steps=parts // 2)
    assert plan_of(fits, "l4-2").used["memory of a chip"] <= 1
    assert plan_of(less, "l4-2").used["memory of a chip"] > 1


def test_a_search():
    hparams = load_hparams(str(ROOT / "configs" / "search_small.toml"))
    settings, pretraining = split_hparams(hparams)
    config = supernet_config("data", "plan", settings, pretraining)
    devices = Devices.parse("tpu-v5e-8")
    plan = SearchPlan.of(
        config, settings, winner_hparams(pretraining), devices, CORPUS, ASSUMED, trainings=3
    )
    assert (plan.candidates, plan.sequences) == (2 * 1050, 100 * 128)
    attention_and_feed_forward = config_of("electra_small").discriminator.flops(128)
    assert plan.scoring_flops == 2100 * 12800 * attention_and_feed_forward
    assert plan.supernet.step.flops * plan.supernet.steps == pytest.approx(3.10e17, rel=0.01)
    assert plan.supernet.step.parameters > 2 * plan.training.step.parameters
    hours = plan.supernet.planned.hours + plan.scoring.hours + 3 * plan.training.planned.hours
    assert plan.planned.hours == pytest.approx(hours)
    assert plan.planned.dollars == pytest.approx(hours * 8 * 1.5)


def test_records_are_as_large_as_those_that_are_built(tmp_path):
    from lvbert_tf.records.build_dataset import BuildSettings, build_dataset  # loads TensorFlow
    from lvbert_tf.records.corpus import Corpus

    text = tmp_path / "text.txt"
    documents = ("The Congress of the United States has passed a law. " * 12 + "\n") * 12 + "\n"
    text.write_text(documents * 40)
    vocabulary = ROOT / "tests" / "fixtures" / "tokenizer" / "vocab.txt"
    manifest = build_dataset(
        Corpus(str(text)),
        BuildSettings(str(vocabulary), str(tmp_path / "records"), held_out_fraction=0),
    )
    counts, (*shards,) = manifest.training.counts, manifest.training.shards
    rates = BuildRates(counts.text_bytes / counts.tokens, core_rate=1e6, cores=4)
    plan = CorpusPlan.of(counts.text_bytes, 128, rates)
    assert plan.tokens == pytest.approx(counts.tokens)
    assert plan.examples == pytest.approx(counts.examples, rel=0.05)
    built = sum(shard.bytes for shard in shards)
    # The vocabulary is small, so that some ids take one byte and not two.
    assert built < plan.records_bytes < 1.15 * built
    assert plan.build_core_hours == counts.text_bytes / 1e6 / 3600 == 4 * plan.build_machine_hours
    assert record_bytes(512) == pytest.approx(4 * 512, rel=0.05)


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("gpu-8", "the kinds are tpu-v4,"),
        ("a100", "a100-8"),
        ("tpu-v5e-0", "1 to 256"),
        ("tpu-v5e-512", "1 to 256"),
        ("h100-0", "1 or more"),
    ],
)
def test_devices_that_do_not_exist(devices, said):
    with pytest.raises(InputError, match=said):
        Devices.parse(devices)


def test_names_of_devices():
    assert Devices.parse("V5e-16") == Devices.parse("tpu-v5e-16")
    assert Devices.parse("tpu-v5e-16").machines == 4
    assert Devices.parse("h100-9").machines == 2


def test_a_batch_that_cannot_be_divided():
    with pytest.raises(InputError, match="256 is not a multiple of 7 devices"):
        plan_of(config_of("lv_bert_base"), "a100-7")
