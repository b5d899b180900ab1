"""What does bfloat16 cost in quality? Pre-trains and fine-tunes in float32 and in bfloat16.

    python -m experiments.precision_quality --sources DIR --output_dir build/precision_quality --jobs 2

With the project's own programs, at a width that 2 cores can train:

- pre-trains a model of 6 layers in both precisions, two seeds each, on the State of the Union
  addresses and Wikipedia's leads;
- fine-tunes one of these models on parts of speech and SST-2 in both precisions, ten seeds each. Seed
  by seed, both precisions start from the same weights and see the same rows and dropout masks.

docs/finetuning.md lists the files that DIR holds. Each result is a file below the output directory.
A run that was stopped or killed continues with the same command; what is complete is only reported, as
tables on standard output. Each job is a process on one core.
"""

from pathlib import Path

from absl import flags

from experiments.evidence.claims import claim
from experiments.evidence.jobs import JobRunner
from experiments.finetuning.training import train_all
from experiments.precision import experiment
from experiments.precision.report import report
from lvbert_tf import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("sources", None, "The published files of corpora and tasks.", required=True)
flags.DEFINE_string("output_dir", "build/precision_quality", "Data, models and results.")
flags.DEFINE_integer("jobs", 2, "Trainings at a time, one core each.", lower_bound=1)
flags.DEFINE_bool("report_only", False, "Report what is complete so far, and train nothing.")


def main() -> None:
    output_dir = Path(FLAGS.output_dir).resolve()
    claim(output_dir, experiment.settings())
    if not FLAGS.report_only:
        with JobRunner(output_dir, FLAGS.jobs) as runner:
            train_all(
                runner,
                Path(FLAGS.sources).resolve(),
                experiment.TASKS,
                experiment.pretrainings(),
                experiment.finetunings(),
            )
    print(report(output_dir))


if __name__ == "__main__":
    cli.run(main)
