"""Keeps the drawing of the house true: imports only ever point down."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "albert_tf"
MODEL = "models layers optimizers config staging json_object"
TEXT = "data tokenizer text"
TASKS = f"tasks checkpoints {MODEL} {TEXT}"
TRAINING = f"training metrics pictures {TASKS}"
MAY_IMPORT = {
    "__init__": "",
    "__main__": "cli",
    "quiet": "",
    "staging": "",
    "json_object": "",
    "metrics": "",
    "text": "staging json_object",
    "config": "staging json_object",
    "layers": "config",
    "pictures": "config",
    "optimizers": "config",
    "models": MODEL,
    "tokenizer": "text config staging json_object",
    "data": f"{TEXT} config staging json_object",
    "checkpoints": MODEL,
    "tasks": TASKS,
    "training": TRAINING,
    "exporting": f"exporting {TASKS}",
    "serving": "config staging",
    "quickstart": f"{TRAINING} exporting serving",
    "verbs": f"quickstart {TRAINING} exporting serving",
    "cli": f"quiet json_object verbs quickstart {TRAINING} exporting serving",
}
WITHOUT_TENSORFLOW = {"config", "staging", "json_object", "layers", "models", "optimizers"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = room_of(path)
    for module in imports_of(path):
        if module.startswith("albert_tf."):
            below = module.split(".")[1]
            assert below == room or below in MAY_IMPORT[room].split(), (
                f"{room} may not import {below}"
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_model_needs_no_tensorflow(path):
    if room_of(path) in WITHOUT_TENSORFLOW:
        assert not {m.split(".")[0] for m in imports_of(path)} & {"tensorflow", "tensorflow_text"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_has_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_only_the_front_door_has_code_in_an_init_file():
    inits = [path for path in MODULES if path.name == "__init__.py" and path.parent != PACKAGE]
    assert [path for path in inits if path.read_text(encoding="utf-8").strip()] == []
