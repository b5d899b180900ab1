"""Each case runs a small program in a process of its own, as absl's flags are global."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = '''"""Does something.

  python program.py --data_dir DIR
"""
import errno, os, signal, sys, time
from absl import flags
from lvbert_tf import cli
from lvbert_tf.errors import InputError

FLAGS = flags.FLAGS
cli.define_path("data_dir", None, "Where the data is.", required=True)
flags.DEFINE_integer("num_steps", 1, "How many steps.")

def main():
    {body}

cli.run(main)
'''


@pytest.fixture
def run(tmp_path):
    """Runs a program whose main has the given body."""

    def run(body, *arguments, **options):
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(body=body))
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            [sys.executable, str(program), *arguments],
            text=True,
            env={
                "PYTHONPATH": str(ROOT),
                "PATH": "",
                "PYTHONIOENCODING": "ascii",
                "HOME": "/home/me",
            },
            **options,
        )

    return run


def without_reader(stream):
    """The option that gives a program a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return {stream: os.fdopen(writing, "w")}


def assert_one_line_error(result, *parts):
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--data_dir", "a-b", "--num_steps=3"),
        ("--data-dir", "a-b", "--num-steps", "3"),
        ("--data-dir=a-b", "--num-steps=3"),
    ],
)
def test_hyphens_and_underscores_are_the_same_flag(run, arguments):
    result = run("print(FLAGS.data_dir, FLAGS.num_steps)", *arguments)
    assert (result.returncode, result.stdout) == (0, "a-b 3\n")


@pytest.mark.parametrize("arguments", [("--data_dir=~/a",), ("--data-dir", "~/a")])
def test_a_home_directory_that_the_shell_did_not_expand(run, arguments):
    result = run("print(FLAGS.data_dir)", *arguments)
    assert (result.returncode, result.stdout) == (0, "/home/me/a\n")


@pytest.mark.parametrize(
    ("path", "message"),
    [("~nobody-here/a", "~nobody-here is no user's home"), (b"\xff", "not a UTF-8 path")],
)
def test_impossible_paths_are_one_line(run, path, message):
    assert_one_line_error(run("print('worked')", "--data_dir", path), "data_dir", message)


def test_the_code_that_main_returns_is_the_exit_code(run):
    assert run("return 143", "--data_dir", "x").returncode == 143


def test_bad_input_is_one_line(run):
    body = 'raise InputError("x.txt is empty;\\n  it needs text")'
    assert_one_line_error(run(body, "--data_dir", "x"), "x.txt is empty; it needs text")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("data_dir", "--help lists the flags")),
        (("--data_dir", "x", "--steps", "3"), ("steps", "--help lists the flags")),
        (("--data_dir", "x", "--num_steps", "many"), ("num_steps", "many")),
        (("--data_dir", "x", "more"), ("'more'", "--help lists the flags")),
    ],
)
def test_bad_usage_is_one_line(run, arguments, parts):
    assert_one_line_error(run("print('worked')", *arguments), *parts)


def test_a_full_disk_is_no_fault_of_ours(run):
    body = 'raise OSError(errno.ENOSPC, "No space left on device", "/data/x")'
    assert_one_line_error(run(body, "--data_dir", "x"), "No space left on device: /data/x")


@pytest.mark.parametrize("name", ["x" * 300, "file/deeper"])
def test_a_path_that_cannot_be_is_no_fault_of_ours(run, tmp_path, name):
    (tmp_path / "file").write_text("")
    body = "open(flags.FLAGS.data_dir)"
    assert_one_line_error(run(body, "--data_dir", str(tmp_path / name)), name)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('RuntimeError("/data/x; Is a directory")', "/data/x; Is a directory"),
        ('RuntimeError("/data/x; Read-only file system [Op:Save]")', "Read-only file system"),
        ('RuntimeError("{{node}} OOM when allocating tensor with shape[9]")', "not enough memory"),
        ("MemoryError()", "not enough memory"),
    ],
)
def test_what_tensorflow_says_of_disk_and_memory_is_no_fault_of_ours(run, error, said):
    body = f"raise {error}"
    assert_one_line_error(run(body, "--data_dir", "x"), said)


def test_a_fault_of_ours_shows_where_it_is(run):
    result = run('raise OSError(errno.EPIPE, "Broken pipe")', "--data_dir", "x")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_an_interrupt_is_one_line(run):
    result = run("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", "--data_dir", "x")
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "body",
    [
        "print('little, which waits in the buffer', file=sys.{})",
        "for number in range(100_000): print(number, file=sys.{})",
        "print('worked', file=sys.{}); return 1",
    ],
)
def test_a_reader_that_has_left_is_no_fault(run, body, stream):
    result = run(body.format(stream), "--data_dir", "x", **without_reader(stream))
    assert result.returncode == 141
    assert not result.stdout and not result.stderr


def test_help_may_be_read_in_part(run):
    result = run("pass", "--help", **without_reader("stdout"))
    assert (result.returncode, result.stderr) == (141, "")


def test_a_closed_output_is_no_fault(run):
    result = run("os.close(1); sys.stdout = None", "--data_dir", "x")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_terminal_that_lacks_a_character_shows_its_number(run):
    assert run("print('caf\u00e9')", "--data_dir", "x").stdout == "caf\\xe9\n"


@pytest.mark.parametrize("argument", ["--help", "-h", "--helpfull"])
def test_help_describes_the_program_and_its_flags(run, argument):
    result = run("print('worked')", argument)
    assert result.returncode == 0
    assert "python program.py --data_dir DIR" in result.stdout
    assert "--num_steps: How many steps." in result.stdout
    assert "worked" not in result.stdout


@pytest.mark.parametrize(
    ("program", "names"),
    [
        ("build_pretraining_dataset.py", ["--corpus_dir", "--max_seq_length", "--num_processes"]),
        ("build_openwebtext_pretraining_dataset.py", ["--data_dir", "--num_processes"]),
        ("run_pretraining.py", ["--data_dir", "--strategy", "custom_layer_list = ", "debug = "]),
        ("run_finetuning.py", ["--predict", "--strategy", "task_names = "]),
        ("run_search.py", ["--storage", "num_generations = ", "learning_rate = "]),
        ("export_saved_model.py", ["--output_dir"]),
        ("convert_checkpoint.py", ["--from", "--to"]),
        ("demo.py", ["--output_dir"]),
    ],
)
def test_the_programs_explain_themselves_without_the_packages_that_take_seconds(program, names):
    slow = dict.fromkeys(("tensorflow", "scipy", "sklearn", "pandas", "pyarrow", "optuna"))
    code = f"import runpy, sys; sys.argv = [{program!r}, '--help']; sys.modules |= {slow}"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; runpy.run_path({program!r}, run_name='__main__')"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    for name in names:
        assert name in result.stdout


FINETUNE = ("run_finetuning.py", "--data_dir=none", "--model_name=x")
SEARCH = ("run_search.py", "--data_dir=none", "--search_name=x")
CONVERT = ("convert_checkpoint.py", "--from=reference", "--input=none", "--output=x")
BUILD = ("build_pretraining_dataset.py", "--corpus_dir=x", "--vocab_file=x", "--output_dir=none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*FINETUNE, "--output=x"), "--output is of no use without --predict"),
        ((*FINETUNE, "--trial=2"), "--trial is of no use without --predict"),
        ((*FINETUNE, "--task=sst"), "--task is of no use without --predict"),
        ((*FINETUNE, "--predict=-", "--overwrite"), "--overwrite is of no use with --predict"),
        ((*FINETUNE, "--predict=-", "--tpu=local"), "--tpu is of no use with --predict"),
        ((*FINETUNE, "--exported=x"), "--exported is of no use without --predict"),
        (
            (*FINETUNE, "--predict=-", "--exported=x"),
            "--data_dir is of no use with --exported, which is the model",
        ),
        (("run_finetuning.py", "--model_name=x"), "--data_dir must be given; --help lists the"),
        (("run_finetuning.py", "--data_dir=x"), "--model_name must be given; --help lists the"),
        ((*SEARCH, "--stage=report", "--virtual_devices=2"), "--virtual_devices is of no use with"),
        (
            (*CONVERT, "--to=preset", "--reference_code=electra"),
            "--reference_code is of no use with --to preset",
        ),
        (
            (*BUILD, "--do_lower_case", "--no_lower_case"),
            "--do_lower_case=true and --no_lower_case=true contradict each other",
        ),
        (
            (*BUILD, "--do_strip_accents=false", "--no_strip_accents=false"),
            "--do_strip_accents=false and --no_strip_accents=false contradict each other",
        ),
    ],
)
def test_flags_that_nothing_would_use_are_refused(arguments, message):
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert_one_line_error(result, message)


@pytest.mark.parametrize(
    "arguments",
    [
        (
            "build_pretraining_dataset.py",
            "--corpus_dir=none",
            "--vocab_file=none",
            "--output_dir=x",
        ),
        ("run_pretraining.py", "--data_dir=none", "--model_name=x"),
    ],
)
def test_the_programs_refuse_in_one_line(arguments):
    command = [sys.executable, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert_one_line_error(result, "none")


def test_a_thread_that_ends_the_process_clears_the_line_of_the_bar():
    code = """
import threading, time
from tqdm import tqdm
from lvbert_tf import cli
with tqdm(total=9):
    threading.Thread(target=cli.end_at_once, args=("nobody\\nanswers",)).start()
    time.sleep(60)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT)
    bar, shown = result.stderr.decode().rsplit("\r", 1)
    assert result.returncode == 2 and shown == "error: nobody answers\n"
    assert "0/9" in bar and "\n" not in bar
