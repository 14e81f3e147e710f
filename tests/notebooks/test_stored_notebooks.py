"""The notebooks as they are stored: tidy, short cells, nothing that does not exist."""

import ast
import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
TIDY = runpy.run_path(FOLDER / "tidy.py")
OF_PAGES = runpy.run_path(ROOT / "tests" / "test_docs.py")
PATHS = sorted(FOLDER.glob("*.ipynb"))
MOST_LINES = 15
MAGIC = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path, kind):
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


def trees(path):
    return [ast.parse(MAGIC.sub(r"\1pass", code)) for code in cells(path, "code")]


def exists(module, name):
    """Whether a name can be imported from a module of ours, by the source."""
    if module == "albert_tf":
        return f'"{name}"' in (ROOT / "albert_tf" / "__init__.py").read_text(encoding="utf-8")
    place = ROOT / module.replace(".", "/")
    if (place / f"{name}.py").is_file():
        return True
    source = place.with_suffix(".py").read_text(encoding="utf-8")
    return re.search(rf"^(class|def) {name}\b|^{name}\b.*=", source, re.MULTILINE) is not None


def test_there_are_nine_and_they_are_numbered():
    assert [path.stem[:3] for path in PATHS] == [f"0{number}_" for number in range(1, 10)]


@every_notebook
def test_it_is_stored_as_tidy_py_leaves_it_without_outputs(path):
    text = path.read_text(encoding="utf-8")
    assert TIDY["as_text"](TIDY["tidied"](json.loads(text))) == text
    assert '"outputs": []' in text and '"output_type"' not in text


@every_notebook
def test_cells_are_short_and_define_no_classes(path):
    assert [code for code in cells(path, "code") if len(code.splitlines()) > MOST_LINES] == []
    nodes = [node for tree in trees(path) for node in ast.walk(tree)]
    assert not [node for node in nodes if isinstance(node, ast.ClassDef)]


@every_notebook
def test_it_begins_with_a_badge_for_itself_what_one_sees_and_how_long_it_takes(path):
    first = cells(path, "markdown")[0]
    address = f"github/{TIDY['REPOSITORY']}/blob/main/notebooks/{path.name}"
    assert f"(https://colab.research.google.com/{address})" in first
    assert first.startswith("# ") and "**What you will see.**" in first and "**Time.**" in first


@every_notebook
def test_the_first_cell_installs_only_what_is_missing(path):
    first = cells(path, "code")[0]
    assert 'os.environ["KERAS_BACKEND"] = "tensorflow"' in first
    install = f'"git+https://github.com/{TIDY["REPOSITORY"]}"'
    condition = 'if importlib.util.find_spec("albert_tf") is None:'
    assert f"{condition}\n    %pip install --quiet {install}\n" in first


@every_notebook
def test_everything_imported_from_the_package_exists(path):
    for node in (node for tree in trees(path) for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "albert_tf":
            for alias in node.names:
                assert exists(node.module, alias.name), f"{node.module} has no {alias.name}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "albert_tf":
            assert exists("albert_tf", node.attr), f"albert_tf has no {node.attr}"


@every_notebook
def test_links_between_notebooks_lead_somewhere_and_both_pages_list_it(path):
    links = re.findall(r"\]\((\w+\.ipynb)\)", "\n".join(cells(path, "markdown")))
    assert [link for link in links if not (FOLDER / link).is_file()] == []
    for page in (FOLDER / "README.md", ROOT / "docs" / "tutorials" / "notebooks.md"):
        assert f"{path.name})" in page.read_text(encoding="utf-8")


@every_notebook
def test_commands_and_places_in_its_text_are_held_to_what_those_of_pages_are(path, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("\n\n".join(cells(path, "markdown")), encoding="utf-8")
    OF_PAGES["test_places_in_the_code_are_where_a_page_says"](page)
    OF_PAGES["test_every_command_has_flags_that_exist_and_values_that_go_together"](str(page))


def test_another_address_is_written_into_badge_and_first_cell():
    notebook = json.loads(PATHS[0].read_text(encoding="utf-8"))
    text = TIDY["as_text"](TIDY["tidied"](notebook, "somebody/albert-tf"))
    assert TIDY["REPOSITORY"] not in text and text.count("somebody/albert-tf") == 2
