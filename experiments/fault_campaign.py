"""What faults do to the programs: kills, damaged files, full disks, bad inputs.

    python -m experiments.fault_campaign --output build/fault_campaign

Every case runs the real programs as processes, on tiny models of the demo's texts. A campaign that was
stopped continues with the same command: each case that is done is a line of OUTPUT/results.jsonl. The
table on standard output is that of docs/reliability.md, and OUTPUT/cases.md is docs/fault_campaign.md
with a line for each case. Exit code 1: a case is not as it should be; its files stay in OUTPUT/cases, or
as objects in OUTPUT/bucket.
"""

from pathlib import Path

from absl import flags

from experiments.faults import bad_commands, bad_files, damage, kills, surroundings
from experiments.faults.refusals import PART as INPUTS
from experiments.faults.report import cases_table, report
from experiments.faults.results import Case, Results, run_cases
from experiments.faults.storages import BUCKET, DISK, STORAGES, Storage
from experiments.faults.undisturbed import Undisturbed
from experiments.faults.world import Site, make_world
from lvbert_tf import cli
from lvbert_tf.errors import InputError

FLAGS = flags.FLAGS
_IN_BUCKETS = (*kills.PARTS, surroundings.SECOND)
_PARTS = (*kills.PARTS, *surroundings.PARTS, damage.PART, INPUTS)


def cases(world: Site, part: str, storage: Storage, undisturbed: Undisturbed) -> list[Case]:
    """All cases of a part with one storage."""
    if storage.name == BUCKET and part not in _IN_BUCKETS:
        return []
    if part in kills.PARTS:
        return list(kills.cases(world, part, FLAGS.kills, FLAGS.seed, storage, undisturbed))
    if part in surroundings.PARTS:
        return list(surroundings.cases(world, part, storage))
    if part == damage.PART:
        return list(damage.cases(world, FLAGS.seed))
    return [*bad_commands.cases(world), *bad_files.cases(world)]


def main() -> int:
    """Runs the parts and prints the table."""
    directory = Path(FLAGS.output).resolve()
    for flag, known in (("only", _PARTS), ("storage", STORAGES)):
        if unknown := set(FLAGS[flag].value) - set(known):
            raise InputError(f"--{flag} {', '.join(sorted(unknown))}: use {', '.join(known)}")
    results = Results(directory)
    world = make_world(directory)
    undisturbed = Undisturbed(world, directory / "undisturbed")
    for storage in [Storage.open(name, directory) for name in FLAGS.storage]:
        parts = FLAGS.only or _PARTS
        chosen = [case for part in parts for case in cases(world, part, storage, undisturbed)]
        run_cases(chosen, results, storage.directory, FLAGS.jobs)
    rows = sorted(results.rows(), key=lambda row: (_PARTS.index(row.part), row.group, row.name))
    (directory / "cases.md").write_text(cases_table(rows) + "\n", encoding="utf-8")
    print(report(rows))
    return 0 if all(row.result.good for row in rows) else 1


def _define_flags() -> None:
    cli.define_path("output", None, "Where the campaign keeps everything.", required=True)
    flags.DEFINE_list("only", [], f"Parts to run: {', '.join(_PARTS)}; by default all.")
    flags.DEFINE_list(
        "storage",
        [DISK],
        f"Where the programs work: {DISK}, or {BUCKET} (only {', '.join(_IN_BUCKETS)}), or both.",
    )
    flags.DEFINE_integer(
        "kills", 50, "How many processes are killed with each storage.", lower_bound=1
    )
    flags.DEFINE_integer("seed", 0, "Of when what is killed, and of which bits are flipped.")
    flags.DEFINE_integer("jobs", 2, "Cases at a time.", lower_bound=1)


if __name__ == "__main__":
    _define_flags()
    cli.run(main)
