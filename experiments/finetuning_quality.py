"""What is pre-training worth, and which layers? Pre-trains, fine-tunes and compares on six tasks.

    python -m experiments.finetuning_quality --sources DIR --output_dir build/finetuning_quality --jobs 2

With the project's own programs, at a width that 2 cores can train:

- pre-trains LV-BERT and AF x 12, alike, on the State of the Union addresses and Wikipedia's leads;
- fine-tunes both on CoLA, MRPC, SST-2, sentiment scores, parts of speech and SQuAD, five seeds each,
  and both from random weights;
- computes baselines that know words alone.

docs/finetuning.md lists the files that DIR holds. Each result is a file below the output directory.
A run that was stopped or killed continues with the same command; what is complete is only reported:
tables on standard output, a plot in --plots_dir. Each job is a process on one core.
"""

from pathlib import Path

from absl import flags

from experiments.evidence.claims import claim
from experiments.evidence.jobs import JobRunner
from experiments.finetuning import experiment
from experiments.finetuning.report import report
from experiments.finetuning.training import train_all
from lvbert_tf import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("sources", None, "The published files of corpora and tasks.", required=True)
flags.DEFINE_string("output_dir", "build/finetuning_quality", "Data, models and results.")
flags.DEFINE_string("plots_dir", "build/finetuning_quality", "Where the plot goes.")
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
    print(report(output_dir, Path(FLAGS.plots_dir)))


if __name__ == "__main__":
    cli.run(main)
