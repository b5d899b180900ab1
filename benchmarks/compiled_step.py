"""The pre-training step as XLA compiles it for a TPU, without a TPU: what it costs there at least.

    make .venv/tpu-compile/requirements-tpu-compile.txt
    python -m benchmarks.compiled_step --config configs/lv_bert_small.toml --batch 128 --target tpu-v5e

TensorFlow lowers the training program's own step, and libtpu compiles it on this CPU, in an environment
of its own. Six layers of width 256 take 150 s of processor time, 24 layers over ten minutes. Prints
FLOPs, bytes through the chip's memory (HBM) by kind of instruction and by line of the project, memory,
numbers of instructions, and the least time of a step on several chips. The least times on chips other
than the target are computed from the FLOPs and bytes of the module for the target.

`--write step.stablehlo` keeps the lowered step, for `--reuse step.stablehlo` and for other compilers.
For a GPU, lower it with `--compilation whole`: some kernels have other forms on TPUs.
With `--examples` the step is also run here, for `benchmarks/stablehlo_runner.py`.
"""

import tempfile
from pathlib import Path

from absl import flags

from benchmarks.accelerators.chips import CHIPS
from benchmarks.accelerators.step_report import report, tables
from benchmarks.contestant import ROOT, Contestant, driver
from lvbert_tf import cli
from lvbert_tf.errors import InputError
from lvbert_tf.io.files import read_json_object
from lvbert_tf.io.whole import write_json
from lvbert_tf.settings.pretraining import PretrainingConfig
from lvbert_tf.settings.user_hparams import load_hparams

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "configs/lv_bert_small.toml", "Hparams of the pre-training run.")
flags.DEFINE_string("hparams", "", "JSON of hparams that differ from --config.")
flags.DEFINE_integer("batch", 128, "Sequences a step.", lower_bound=1)
flags.DEFINE_enum("precision", "bfloat16", ("bfloat16", "float32"), "Of the layers' arithmetic.")
flags.DEFINE_enum(
    "compilation", "tpu", ("tpu", "whole"), "The mode to lower the step in: for TPUs or for GPUs."
)
flags.DEFINE_enum("target", "tpu-v5e", tuple(CHIPS), "The chip to compile for.")
flags.DEFINE_string("json", None, "Also write everything that was found to this file.")
flags.DEFINE_string("write", None, "Keep the lowered step as this .stablehlo file.")
flags.DEFINE_bool("examples", False, "With --write, run the step here and keep what it computes.")
flags.DEFINE_string("reuse", None, "Compile this .stablehlo file, which --write wrote.")
flags.DEFINE_string("text", None, "Keep the text of the compiled module.")

COMPILER = ROOT / ".venv" / "tpu-compile" / "bin" / "python"
_EXAMPLE_STEPS = 3


def compile_step(stablehlo: Path, text: Path, target: str, hlo: Path | None = None) -> dict:
    """Compiles a step in the compiler's environment.

    Args:
      stablehlo: the module; made of `hlo`, if that is given.
      text: where the text of the compiled module goes.
      target: a name of `CHIPS`.
      hlo: a serialized HLO module.

    Returns:
      what `accelerators.tpu_compiler` prints.

    Raises:
      InputError: no such environment, or the compiler refuses the module.
    """
    if not COMPILER.exists():
        raise InputError(
            f"no {COMPILER}: run `make .venv/tpu-compile/requirements-tpu-compile.txt`"
        )
    files = [str(stablehlo), "--text", str(text), "--target", target]
    files += ["--hlo", str(hlo)] if hlo else []
    command = driver("accelerators.tpu_compiler", *files, python=str(COMPILER))
    compiler = Contestant("libtpu", "", "", command)
    compiler.run([])
    return compiler.results[0]


def lower_step(hlo: Path, examples: Path | None) -> dict:
    """Lowers the step that the flags ask for.

    Args:
      hlo: where the module goes.
      examples: where the step's arguments and results go; None: it is not run.

    Returns:
      the facts about it that `step_report.report` takes.
    """
    # Here, because --reuse does not need TensorFlow, which takes seconds to load.
    from benchmarks.accelerators import lowering, pretraining_case

    hparams = {**load_hparams(FLAGS.config), **load_hparams(FLAGS.hparams)}
    hparams |= {"train_batch_size": FLAGS.batch, "jit_compile": True}
    config = PretrainingConfig.create("unused", "benchmark", hparams)
    vocabulary = pretraining_case.bert_vocabulary()
    step = pretraining_case.build_step(config, vocabulary, FLAGS.precision, FLAGS.compilation)
    batch = pretraining_case.random_batch(config)
    lowered = lowering.lower(step, batch)
    hlo.write_bytes(lowered.hlo)
    if examples:
        lowered.save_examples(examples, lowering.run(step, batch, _EXAMPLE_STEPS))
    return {
        "layers": str(config.layer_string),
        "generator_layers": str(config.generator.layer_string) if config.generator else "none",
        "objective": config.wiring.objective,
        "batch_size": config.train_batch_size,
        "max_seq_length": config.max_seq_length,
        "precision": FLAGS.precision,
        "own_flops": config.training_flops * config.train_batch_size,
        "hlo_lines": lowered.num_lines,
        "sources": lowered.sources,
    }


def main() -> None:
    if FLAGS.reuse and (FLAGS.write or FLAGS.examples):
        raise InputError(
            "--reuse lowers nothing, so there is nothing to --write, and no --examples"
        )
    if FLAGS.examples and not FLAGS.write:
        raise InputError("--examples needs --write")
    with tempfile.TemporaryDirectory() as folder:
        stablehlo = Path(FLAGS.reuse or FLAGS.write or Path(folder, "step.stablehlo")).absolute()
        text = Path(FLAGS.text or Path(folder, "step.txt")).absolute()
        facts = stablehlo.with_suffix(".json")
        if FLAGS.reuse:
            step, hlo = read_json_object(facts), None
        else:
            hlo = Path(folder, "step.hlo")
            step = lower_step(hlo, stablehlo.with_suffix(".npz") if FLAGS.examples else None)
            write_json(facts, step)
        compiled = compile_step(stablehlo, text, FLAGS.target, hlo)
        values = report(step, FLAGS.target, compiled, text.read_text(encoding="utf-8"))
    if FLAGS.json:
        write_json(FLAGS.json, values)
    print(tables(values))


if __name__ == "__main__":
    cli.run(main)
