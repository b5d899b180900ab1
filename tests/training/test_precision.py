import pytest
import tensorflow as tf

from lvbert_tf.errors import InputError
from lvbert_tf.training import precision
from lvbert_tf.training.precision import LossScale, cpu_gains_by_bfloat16, resolve_precision


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("AuthenticAMD", "avx2 fma", "float32"),
        ("AuthenticAMD", "avx512f avx512_bf16", "bfloat16"),
        ("GenuineIntel", "avx512f avx512_bf16", "float32"),
        ("GenuineIntel", "avx512f avx512_bf16 amx_bf16 amx_tile", "bfloat16"),
        ("GenuineIntel", "avx512f", "float32"),
    ],
)
def test_auto_follows_the_processor(monkeypatch, tmp_path, vendor, flags, expected):
    cpuinfo = tmp_path / "cpuinfo"
    text = f"processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\nbugs\t\t: none\n"
    cpuinfo.write_text(text)
    gains = cpu_gains_by_bfloat16(str(cpuinfo))
    monkeypatch.setattr(precision, "cpu_gains_by_bfloat16", lambda: gains)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])  # a GPU would decide
    assert resolve_precision("auto") == expected


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([(6, 1)], "float32"),
        ([(7, 0)], "float16"),
        ([(7, 5)], "float16"),
        ([(8, 0)], "bfloat16"),
        ([(9, 0)], "bfloat16"),
        ([(8, 0), (9, 0)], "bfloat16"),
        ([(9, 0), (7, 5)], "float16"),
        ([(7, 5), (6, 1)], "float32"),
        ([None], "float32"),
    ],
)
def test_auto_follows_the_oldest_gpu(monkeypatch, capabilities, expected):
    details = [{"compute_capability": pair} if pair else {} for pair in capabilities]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: details)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu)
    assert resolve_precision("auto") == expected


def test_auto_is_bfloat16_on_a_tpu(monkeypatch):
    monkeypatch.setattr(precision, "cpu_gains_by_bfloat16", lambda: False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["TPU:0"])
    assert resolve_precision("auto") == "bfloat16"


def test_unknown_processor_is_safe(tmp_path):
    assert not cpu_gains_by_bfloat16(str(tmp_path / "none"))


def test_names():
    assert resolve_precision("bfloat16") == "bfloat16"
    with pytest.raises(InputError, match="'fp8': expected auto, float32, bfloat16, float16"):
        resolve_precision("fp8")


def test_loss_scale_halves_on_overflow_and_doubles_after_a_while():
    scale = LossScale(dynamic=True, initial=8.0, growth_steps=3)
    seen = []
    for finite in [True, False, True, True, True, True, False, False, False, False, False]:
        scale.update(tf.constant(finite))
        seen.append(float(scale.scale))
    assert seen == [8, 4, 4, 4, 8, 8, 4, 2, 1, 1, 1]


def test_loss_scale_is_one_outside_float16():
    scale = LossScale(dynamic=False, growth_steps=1)
    scale.update(tf.constant(True))
    assert float(scale.scale) == 1.0


def test_a_run_that_did_not_scale_continues_with_the_first_scale():
    scale = LossScale(dynamic=True, initial=8.0, growth_steps=3)
    scale.update(tf.constant(True))
    scale.continue_restored()
    assert (float(scale.scale), int(scale.finite_steps)) == (8.0, 1)
    scale.scale.assign(1.0)
    scale.finite_steps.assign(0)
    scale.continue_restored()
    assert float(scale.scale) == 8.0
    unscaled = LossScale(dynamic=False)
    unscaled.continue_restored()
    assert float(unscaled.scale) == 1.0
