"""The rooms of the package and the arrows between them: imports lead down, and never in a circle.

docs/architecture.md explains the rooms. A room is a folder or a file of `lvbert_tf`; fine-tuning has
rooms of its own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = (
    *("errors", "quiet_import", "io", "hparams"),
    *("architecture", "settings", "commands", "cli"),
    *("layers", "presets", "text", "models"),
    *("records", "training", "interop", "runs", "pretraining"),
    *("finetuning.task_examples", "finetuning.entity_schemes", "finetuning.metrics"),
    *("finetuning.tasks", "finetuning.parts", "finetuning.settings", "finetuning.task_data"),
    *(
        "finetuning.run_context",
        "finetuning.objectives",
        "finetuning.results",
        "finetuning.learning",
    ),
    *("finetuning.line_requests", "finetuning.line_answers"),
    *("finetuning.predict_lines", "finetuning.run"),
    *("search", "plan", "conversion", "serving", "programs"),
)
"""From the ground up: a room imports rooms before it and its own files, no others."""
WITHOUT_TENSORFLOW = ("errors", "io", "hparams", "architecture", "settings", "commands", "cli")


def room_of(module: str) -> str:
    """The room of a dotted module name, such as `lvbert_tf.search.space`."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[0] == "finetuning" and len(parts) > 1 else parts[0]


def imports_of(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports, anywhere but for the type checker alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    left_out = {inner for node in for_types for child in node.body for inner in ast.walk(child)}
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "lvbert_tf":
            names = [f"lvbert_tf.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from (name for name in names if name.startswith("lvbert_tf."))


def modules() -> dict[str, list[str]]:
    """What each module imports, by dotted names."""
    found = {}
    for path in sorted((ROOT / "lvbert_tf").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name != "lvbert_tf":
            found[name] = list(imports_of(path))
    return found


def test_imports_lead_down():
    upwards = [
        f"{module} imports {imported}"
        for module, imports in modules().items()
        for imported in imports
        if ROOMS.index(room_of(imported)) > ROOMS.index(room_of(module))
    ]
    assert upwards == []


def test_no_file_is_in_a_circle():
    graph = modules()
    left = {name: {each for each in imports if each in graph} for name, imports in graph.items()}
    while free := [name for name, imports in left.items() if not imports & left.keys() - {name}]:
        for name in free:
            del left[name]
    assert left == {}


def test_values_and_settings_need_no_tensorflow():
    heavy = ("tensorflow", "keras", "keras_hub", "tensorflow_text", "numpy")
    for module in modules():
        if room_of(module) in WITHOUT_TENSORFLOW:
            path = ROOT / f"{module.replace('.', '/')}.py"
            tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.parse("")
            for node in tree.body:
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not [n for n in names if n.split(".")[0] in heavy], module


def test_every_room_is_there():
    assert {room_of(module) for module in modules()} - {"finetuning"} == set(ROOMS)
