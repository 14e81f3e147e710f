"""What README and docs say holds: links, commands, names in code blocks, places in the code.

Nothing here starts a verb or loads TensorFlow; the site itself is built by Sphinx, see
CONTRIBUTING.md.
"""

import argparse
import ast
import functools
import re
import runpy
import shlex
import textwrap
from pathlib import Path

import pytest

import albert_tf
from albert_tf.cli import RECIPES, _parser, read_recipe
from albert_tf.training.fields import build
from albert_tf.verbs.table import VERBS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "export").glob("*.md")]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^)\s]+)\)", re.DOTALL)
FENCE = re.compile(r"^( *)(```+|:::+)(\S*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
INLINE = re.compile(r"`([^`]+)`")
PLACE = re.compile(
    r"`((?:albert_tf|tests|benchmarks|export|docs)/[\w./-]+)`(?:[ |]+`([A-Za-z]\w+)`)?"
)
SHELL = ("sh", "bash", "shell", "console", "")


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page):
    """The fenced blocks of a page: pairs of language and text, indentation taken off."""
    for indent, _, language, body in FENCE.findall(text_of(page)):
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        yield language, "\n".join(lines)


def commands(page):
    """All that a page says one may type: the words behind `albert-tf`, and whether in a block."""
    said = [(body, True) for language, body in blocks(page) if language in SHELL]
    bare = FENCE.sub("", text_of(page))
    said += [(textwrap.dedent(block), True) for block in INDENTED.findall(bare)]
    said += [(" ".join(span.split()), False) for span in INLINE.findall(bare)]
    for text, is_block in said:
        for line in text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;|\$\(", line.removeprefix("$ ")):
                words = shlex.split(part, comments=True) if "albert-tf " in part else []
                while words and re.fullmatch(r"\w+=\S*", words[0]):  # FOO=bar albert-tf ...
                    words = words[1:]
                if len(words) > 1 and words[0] == "albert-tf" and words[1] in VERBS:
                    yield words[1:], is_block


class Refuses(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)


@functools.cache
def parser():
    made = _parser()
    for one in (made, *made._subparsers._group_actions[0].choices.values()):
        one.__class__ = Refuses
    return made


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_into_the_repository_leads_to_a_file(page):
    bare = FENCE.sub("", text_of(page))
    targets = [target.partition("#")[0] for target in LINK.findall(bare)]
    local = [target for target in targets if target and not re.match(r"\w+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


# The log has the commands of the commits that it names.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "docs/log.md"])
def test_every_command_has_flags_that_exist_and_values_that_go_together(name):
    for words, is_block in commands(ROOT / name):
        if "--help" in words:
            continue
        is_whole = is_block and "..." not in words
        values = vars(parser().parse_args([word for word in words if word != "..."]))
        options = {k: v for k, v in values.items() if k not in ("verb", "dry_run", "debug")}
        recipe = options.pop("recipe")
        # A recipe that is no name of ours is the reader's own file.
        if is_whole and (recipe is None or (RECIPES / f"{recipe}.json").is_file()):
            recipe = read_recipe(recipe) if recipe else {}
            build(VERBS[words[0]], recipe | options, " ".join(words))


def exists(module, name):
    """Whether a module of ours has a name, by its source."""
    path = ROOT / (module.replace(".", "/") + ".py")
    return path.is_file() and re.search(rf"^(class|def) {name}\b|^{name}\b.*=", text_of(path), re.M)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_blocks_are_python_and_name_what_exists(page):
    for body in (body for language, body in blocks(page) if language == "python"):
        for node in ast.walk(ast.parse(body)):
            if isinstance(node, ast.ImportFrom) and node.module == "albert_tf":
                assert {alias.name for alias in node.names} <= set(albert_tf.__all__)
            elif isinstance(node, ast.ImportFrom) and node.module.startswith("albert_tf."):
                assert all(exists(node.module, alias.name) for alias in node.names), body
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "albert_tf":
                assert node.attr in albert_tf.__all__, body


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_places_in_the_code_are_where_a_page_says(page):
    for path, name in PLACE.findall(text_of(page)):
        found = ROOT / path.rstrip(".")
        assert found.exists() or list(ROOT.glob(path + "*")), path
        if name and found.suffix == ".py":
            assert re.search(rf"\b(class|def) {name}\b|^{name}\b", text_of(found), re.M), (
                f"{path} has no {name}"
            )


def test_the_reference_has_all_public_names():
    page = text_of(ROOT / "docs" / "reference" / "api.md")
    public = set(albert_tf.__all__) - {"__version__"}
    assert {name for name in public if f"albert_tf.{name}\n" not in page} == set()


def test_every_page_stands_in_the_table_of_contents():
    docs = ROOT / "docs"
    listed = set(text_of(docs / "index.md").splitlines()) | {"index"}
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    assert {page for page in pages if not page.startswith("decisions/")} <= listed


def test_the_drawing_of_the_tour_is_the_one_that_imports_are_held_to():
    allowed = runpy.run_path(ROOT / "tests" / "test_architecture.py")["MAY_IMPORT"]
    table = re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", text_of(ROOT / "docs" / "tour.md"), re.M)
    below = {room: set(rooms.split(", ")) for room, rooms in table if room in allowed}
    for room, stands_on in below.items():
        assert stands_on <= set(allowed[room].split())
        reached, found = set(), {room}
        while found - reached:
            reached |= found
            found = set().union(*(below.get(one, set()) for one in reached))
        assert set(allowed[room].split()) <= reached, room
