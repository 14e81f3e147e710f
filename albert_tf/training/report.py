"""One page of a finished run for people: scores, curves, examples right and wrong, settings."""

import base64
import json
from html import escape
from pathlib import Path
from typing import NamedTuple

from albert_tf.staging import new_file

REPORT = "report.html"
# As many examples of a kind as somebody looks through.
MOST_EXAMPLES = 20

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid #d0d7de; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; }
.wide { overflow-x: auto; }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #eaeef2; }
td { overflow-wrap: anywhere; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; }
.about { color: #57606a; }
.warning { background: #fff8c5; border-left: 4px solid #bf8700; padding: .5rem 1rem; }
code { font-size: .88em; background: #f6f8fa; padding: .1em .3em; overflow-wrap: anywhere; }
"""


class Compared(NamedTuple):
    """An answer beside what was expected.

    Attributes:
        asked: what the model was given.
        expected: the right answer.
        given: the model's.
        error: 0.0 where it is right; the larger, the further from it.
    """

    asked: str
    expected: str
    given: str
    error: float


def write_report(run, summary: dict, compared=()):
    """Writes `report.html`: one file that needs no other, to open or to send.

    Args:
        run: directory of the run, with `settings.json`, `environment.json` and its pictures.
        summary: of the run; see `fine_tune` and `pretrain`.
        compared: `Compared`s, of all examples that were scored.
    """
    run = Path(run)
    settings, about = (
        json.loads((run / name).read_text(encoding="utf-8"))
        for name in ("settings.json", "environment.json")
    )
    title = " · ".join(str(word) for word in (summary.get("task"), run.resolve().name) if word)
    warnings = [f'<p class="warning">{escape(text)}</p>' for text in summary.get("warnings", ())]
    started = f"Started {about['started']}, seed {about['seed']}, commit {about['commit']}."
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="about">{escape(started)}</p>',
        *warnings,
        _scores(summary),
        *_pictures(run),
        *_examples(list(compared)),
        "<h2>The run</h2>",
        _table([(_words(k), v) for k, v in _plain(summary).items()]),
        "<h2>Settings</h2>",
        f"<p>They repeat the run: <code>--recipe {escape(str(run / 'settings.json'))}</code> and "
        "another <code>--out</code>.</p>",
        _table(settings.items()),
        "<h2>Made with</h2>",
        _table((_words(k), v) for k, v in about.items()),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
    with new_file(run / REPORT, overwrite=True) as staged:
        staged.write_text(page, encoding="utf-8")


def _scores(summary):
    """What was measured: a line a score, a column a part of the data, a way without a model."""
    columns = {name: value for name, value in summary.items() if _is_scores(name, value)}
    for run, found in summary.get("runs", {}).items():
        failed = " (failed)" if found["failed"] else ""
        columns[run + failed] = found["dev"] or {}
    for way, found in (summary.get("baselines") or {}).items():
        columns[f"without a model: {way}"] = found
    names = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    if not names:
        return ""
    head = [f'<th class="number">{escape(_words(name))}</th>' for name in columns]
    lines = [f"<tr><th></th>{''.join(head)}</tr>"]
    for name in names:
        cells = [f'<td class="number">{_value(s.get(name, ""))}</td>' for s in columns.values()]
        lines.append(f"<tr><th>{escape(_words(name))}</th>{''.join(cells)}</tr>")
    return f'<h2>Scores</h2><div class="wide"><table>{"".join(lines)}</table></div>'


def _is_scores(name, value):
    return (
        isinstance(value, dict)
        and not name.endswith("_in_bytes")
        # None is what a score that is not finite became.
        and all(number is None or isinstance(number, int | float) for number in value.values())
        and any(number is not None for number in value.values())
    )


def _plain(summary):
    """What is neither shown as scores nor as a warning."""
    apart = ("warnings", "runs", "baselines")
    return {k: v for k, v in summary.items() if k not in apart and not _is_scores(k, v)}


def _pictures(run):
    """The learning curve, and what other pictures lie in the run."""
    paths = [run / "learning_curve.png", *sorted(run.glob("*/confusion_matrix.png"))]
    for path in paths:
        if path.is_file():
            where = "" if path.parent == run else f", {path.parent.name}"
            name = f"{_words(path.stem).capitalize()}{where}"
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            source = f"data:image/png;base64,{data}"
            yield f'<h2>{escape(name)}</h2><img alt="{escape(name)}" src="{source}">'


def _examples(compared):
    """Answers that are far from right, the furthest first, and some of those that are right."""
    right = [one for one in compared if one.error == 0]
    wrong = sorted((one for one in compared if one.error > 0), key=lambda one: -one.error)
    # Evenly out of all: the first ones of a file are often of one kind.
    some = right[:: -(-len(right) // MOST_EXAMPLES)] if right else []
    kinds = {"Furthest from right": (wrong[:MOST_EXAMPLES], wrong), "Right": (some, right)}
    for name, (shown, all_of_them) in kinds.items():
        if shown:
            yield f"<h2>{name}</h2>"
            count = f"{len(shown)} of {len(all_of_them)}; {len(compared)} were asked."
            yield f'<p class="about">{count}</p>'
            head = "<tr><th>asked</th><th>expected</th><th>answered</th></tr>"
            yield f"<table>{head}{''.join(map(_example, shown))}</table>"


def _example(one):
    return f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in one[:3])}</tr>"


def _table(rows):
    lines = [f"<tr><th>{escape(name)}</th><td>{_value(value)}</td></tr>" for name, value in rows]
    return f"<table>{''.join(lines)}</table>"


def _value(value):
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, dict):
        return escape(", ".join(f"{name} {_value(item)}" for name, item in value.items()))
    if isinstance(value, list | tuple):
        return escape(" ".join(map(str, value)))
    return "" if value is None else escape(str(value))


def _words(name):
    return name.replace("_", " ")
