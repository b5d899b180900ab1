"""What is pre-training on books worth, and which layers? Pre-trains, fine-tunes and compares.

    python -m experiments.books_quality --sources DIR --output_dir build/books_quality --jobs 2

With the project's own programs and ELECTRA's objective, at a width that 2 cores can train:

- chooses the learning rate of LV-BERT and of AF x 12 by short runs;
- pre-trains both for nearly an epoch on 754 English books;
- chooses the decay of the layers' rates on a part of each task's training set;
- fine-tunes both on CoLA, MRPC, SST-2, sentiment scores, parts of speech and SQuAD, ten seeds each (five
  on SST-2), from random weights and after an eighth, a quarter, half and all of pre-training;
- computes baselines that know words alone.

docs/finetuning.md lists the files that DIR holds. Each result is a file below the output directory.
A run that was stopped or killed continues with the same command; what is complete is only reported:
tables on standard output, plots in --plots_dir. Each job is a process on one core.
"""

from pathlib import Path

from absl import flags

from experiments.books import experiment
from experiments.books.report import report
from experiments.books.training import train_all
from experiments.evidence.claims import claim
from experiments.evidence.jobs import JobRunner
from lvbert_tf import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("sources", None, "The published files of corpora and tasks.", required=True)
flags.DEFINE_string("output_dir", "build/books_quality", "Data, models and results.")
flags.DEFINE_string("plots_dir", "build/books_quality", "Where the plots go.")
flags.DEFINE_integer("jobs", 2, "Trainings at a time, one core each.", lower_bound=1)
flags.DEFINE_bool("report_only", False, "Report what is complete so far, and train nothing.")


def main() -> None:
    output_dir = Path(FLAGS.output_dir).resolve()
    claim(output_dir, experiment.settings())
    if not FLAGS.report_only:
        with JobRunner(output_dir, FLAGS.jobs) as runner:
            train_all(runner, Path(FLAGS.sources).resolve())
    print(report(output_dir, Path(FLAGS.plots_dir)))


if __name__ == "__main__":
    cli.run(main)
