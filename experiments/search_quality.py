"""Does the search find good layer strings? Trains, scores and searches in a space that can be ranked.

    python -m experiments.search_quality --output_dir build/search_quality --jobs 2

On the State of the Union addresses, with encoders of 6 layers of width 64:

- trains supernets over {C, A, F}, by both path samplings, and over {A, F}, and scores every string of
  the space with them;
- trains strings by themselves and compares the two rankings;
- runs evolution and random search over the supernets' scores;
- trains the string that was found, the one found without C, and A and F in turn, with five seeds each.

Each result is a file below the output directory. A run that was stopped or killed continues with the
same command; what is complete is only reported: tables on standard output, plots in --plots_dir. Each
job is a process on one core.
"""

from pathlib import Path

from absl import flags

from experiments.search import experiment
from experiments.search.report import report
from experiments.search.schedule import run_all
from lvbert_tf import cli
from lvbert_tf.errors import InputError

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", "build/search_quality", "Records, models and results.")
flags.DEFINE_string("plots_dir", "build/search_quality", "Where the plots go.")
flags.DEFINE_integer("jobs", 2, "Trainings at a time, one core each.", lower_bound=1)
flags.DEFINE_list(
    "objectives", list(experiment.FITNESS), "What is trained; only the first is searched on."
)


def main() -> None:
    output_dir = Path(FLAGS.output_dir).resolve()
    objectives = [name for name in experiment.FITNESS if name in FLAGS.objectives]
    if unknown := set(FLAGS.objectives) - set(objectives):
        allowed = ", ".join(experiment.FITNESS)
        raise InputError(f"--objectives {', '.join(sorted(unknown))}: use {allowed}")
    experiment.claim(output_dir)
    run_all(output_dir, FLAGS.jobs, objectives)
    print(report(output_dir, Path(FLAGS.plots_dir), objectives))


if __name__ == "__main__":
    cli.run(main)
