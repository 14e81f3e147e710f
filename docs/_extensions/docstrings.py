"""Docstrings as we write them, for napoleon and docutils.

Some of our habits are not reStructuredText: a section that says more on its first line
(`Returns: a dictionary of`), Markdown tables, and code with a letter behind it (`Example`s).
"""

import inspect
import re

SECTION = re.compile(r"^(Returns|Call arguments|Args): (\S.*)$")
ENTRY = re.compile(r"^(    )(\w+): (.*)$")
CODE = re.compile(r"(`[^`]+`)(?=(\w?))")
JOINED = re.compile(r"^( +\w+, .*)\*\*kwargs:")
TABLE_ROW = re.compile(r"^\| .* \|$")


def as_sections(lines):
    """Sections that say more on their first line become a heading, a line and a list."""
    result, inside = [], False
    for line in lines:
        if heading := SECTION.match(line):
            inside = True
            result += [f"**{heading[1]}:** {heading[2]}", ""]
        elif inside and (entry := ENTRY.match(line)):
            result.append(f"* ``{entry[2]}``: {entry[3]}")
        elif inside and line.startswith("        "):
            result.append("  " + line.strip())
        else:
            inside = inside and not line.strip()
            result.append(line)
    return result


def as_tables(lines):
    """Markdown tables become list tables."""
    result, inside = [], False
    for line in lines:
        if not TABLE_ROW.match(line.strip()):
            if inside:
                result.append("")
            inside = False
            result.append(line)
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not inside:
            result += ["", ".. list-table::", "   :header-rows: 1", ""]
            inside = True
        if set("".join(cells)) <= set("-| "):
            continue
        result.append(f"   * - {cells[0]}")
        result += [f"     - {cell}" for cell in cells[1:]]
    return result


def _process(app, what, name, obj, options, lines):
    text = CODE.sub(lambda found: found[1] + ("\\ " if found[2] else ""), "\n".join(lines))
    lines[:] = [JOINED.sub(r"\1kwargs:", line) for line in text.split("\n")]
    lines[:] = as_tables(as_sections(lines))


def _signature(app, what, name, obj, options, signature, returned):
    """What `__init__` takes: Keras gives its classes a `__new__` that takes anything."""
    if what != "class":
        return None
    parameters = list(inspect.signature(obj.__init__).parameters.values())[1:]
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(plain)), returned


def setup(app):
    # Before napoleon, whose priority is the default of 500.
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
