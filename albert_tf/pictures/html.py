"""Texts as a notebook shows them: tables, and passages in which answers are marked."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

# Light enough for black text on them.
MARKS = ("#fff3a3", "#b8e3ff", "#c4efcd", "#ffd3c2", "#e3d0ff", "#e0e0e0")
_MARK = "background:{};color:black;border-radius:3px;padding:0 2px"


class Html(str):
    """A piece of HTML, shown where it is a cell's last value."""

    def _repr_html_(self) -> str:
        return str(self)


def show_table(rows: Iterable[Mapping]) -> Html:
    """Rows as a table; their keys are its head, and shares are written as they are."""
    rows = list(rows)
    names = list(rows[0]) if rows else []
    head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:left">{_cell(row[n])}</td>' for n in names)
        + "</tr>"
        for row in rows
    )
    return Html(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def show_spans(
    text: str, spans: Sequence[Mapping], colours: Mapping[str, str] | None = None
) -> Html:
    """A text with some of its characters marked, and what they are.

    Args:
        text: the text.
        spans: mappings of `start`, `end` (exclusive, in characters) and perhaps `label`; they do
            not overlap.
        colours: label -> colour; None gives each label one of its own.
    """
    if colours is None:
        labels = sorted({span.get("label", "") for span in spans})
        colours = {label: MARKS[i % len(MARKS)] for i, label in enumerate(labels)}
    parts, place = [], 0
    for span in sorted(spans, key=lambda span: span["start"]):
        label = span.get("label", "")
        note = f' <small style="color:#555">{escape(label)}</small>' if label else ""
        parts += [
            escape(text[place : span["start"]]),
            f'<span style="{_MARK.format(colours[label])}">',
            f"{escape(text[span['start'] : span['end']])}{note}</span>",
        ]
        place = span["end"]
    return _paragraph("".join(parts) + escape(text[place:]))


def show_answer(question: str, context: str, answer: Mapping, expected: str | None = None) -> Html:
    """A question, and its context with the answer marked.

    Args:
        question, context: the texts.
        answer: `start`, `end` and `answer`, as a row of what the task predicts.
        expected: the true answer, which is told where it is another one.
    """
    spans = [{"start": answer["start"], "end": answer["end"]}] if answer["answer"] else []
    is_right = expected is None or answer["answer"] == expected
    note = "" if is_right else f' <small style="color:#b00">(expected: {escape(expected)})</small>'
    title = f"<b>{escape(question)}</b> {escape(answer['answer'] or 'no answer')}{note}"
    return Html(_paragraph(title) + show_spans(context, spans))


def stack(pieces: Iterable[str]) -> Html:
    """Pieces of HTML below each other."""
    return Html("".join(pieces))


def _paragraph(content):
    return Html(f'<p style="line-height:1.7;max-width:50em">{content}</p>')


def _cell(value):
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, Html) else escape(str(value))
