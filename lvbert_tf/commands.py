"""What the programs are called: scripts in a checkout, commands where the package is installed."""

import re

COMMANDS = {
    "build_pretraining_dataset.py": "lvbert-build-data",
    "build_openwebtext_pretraining_dataset.py": "lvbert-build-openwebtext",
    "run_pretraining.py": "lvbert-pretrain",
    "run_finetuning.py": "lvbert-finetune",
    "run_search.py": "lvbert-search",
    "export_saved_model.py": "lvbert-export",
    "convert_checkpoint.py": "lvbert-convert",
    "-m lvbert_tf.plan": "lvbert-plan",
}
_SCRIPT = re.compile(rf"(?:python |\b)({'|'.join(map(re.escape, COMMANDS))})\b")


def named_as_called(text: str, program: str) -> str:
    """Words a text that names scripts for a user who has commands instead.

    Args:
      text: e.g. a program's help, `python run_pretraining.py --data_dir DATA`.
      program: the file name that the running program was called by.
    """
    if program not in COMMANDS.values():
        return text
    return _SCRIPT.sub(lambda match: COMMANDS[match[1]], text)
