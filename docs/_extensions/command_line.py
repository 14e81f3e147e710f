"""The directive `verb`: what `albert-tf VERB --help` says, as a table of flags.

The flags come from the dataclasses of `albert_tf/verbs/table.py`, so that they cannot go stale.
"""

import dataclasses
import inspect

from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from albert_tf.training.fields import is_required, item_of, key_of, kinds_of
from albert_tf.verbs.examples import EXAMPLES
from albert_tf.verbs.table import VERBS


def flag_of(field) -> str:
    """The flag as one types it: `--out PATH`, `--texts X ...`, `--pair` or `--no-pair`."""
    name, kind = "--" + key_of(field).replace("_", "-"), kinds_of(field)[0]
    if kind is bool:
        return f"`{name}`, `--no-{name[2:]}`"
    if kind is tuple:
        return f"`{name} {item_of(field).__name__.upper()} ...`"
    return f"`{name} {kind.__name__.upper()}`"


def default_of(field) -> str:
    """The default as one would type it; empty where there is none."""
    if is_required(field):
        return "required"
    if field.default in (None, ()):
        return ""
    if isinstance(field.default, bool):
        return "on" if field.default else "off"
    if isinstance(field.default, tuple):
        return "`" + " ".join(map(str, field.default)) + "`"
    return f"`{field.default}`"


def help_of(field) -> str:
    """The help text, and the values that the flag may take."""
    text = field.metadata["help"].replace("|", "\\|")
    choices = field.metadata.get("choices")
    if choices:
        text += f" ({', '.join(f'`{choice}`' for choice in choices)})"
    return text


def table_of(verb) -> list[str]:
    """Docstring, examples and flags of a verb, as lines of Markdown."""
    job = VERBS[verb]
    lines = [*inspect.cleandoc(job.__doc__).splitlines(), ""]
    lines += ["```sh", *EXAMPLES[verb], "```", ""]
    lines += ["| flag | what it says | default |", "| --- | --- | --- |"]
    for field in dataclasses.fields(job):
        lines.append(f"| {flag_of(field)} | {help_of(field)} | {default_of(field)} |")
    return lines


class Verb(SphinxDirective):
    """`verb`, with the name of a verb as its argument; `all` for one section each."""

    required_arguments = 1

    def run(self):
        lines = []
        wanted = VERBS if self.arguments[0] == "all" else [self.arguments[0]]
        for verb in wanted:
            lines += [f"## `albert-tf {verb}`", ""] if len(wanted) > 1 else []
            lines += [*table_of(verb), ""]
        source = inspect.getsourcefile(VERBS[next(iter(wanted))])
        return self.parse_text_to_nodes(
            StringList(lines, source=source), allow_section_headings=True
        )


def setup(app):
    app.add_directive("verb", Verb)
    return {"parallel_read_safe": True}
