"""Markdown to plain text: only the words are for the model."""

import html
import re

HEADING = re.compile(r" {0,3}#{1,7}\s")

_RULE = re.compile(r"^[ \t]*(?:([-*_=])(?:[ \t]*\1){2,}|(?:`{3,}|~{3,})\w*)[ \t]*$", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]*(?:>[ \t]?|[-*+][ \t]+)+", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\[]*)\]\([^()\s]*\)")
# No mark inside the marks: the search stays linear in a line of a megabyte.
_STARS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])([^*]+)(?<=[^\s*])\1(?![\w*])")
_UNDERLINES = re.compile(r"(?<![^\W_])(_{1,3})(?=[^\s_])([^_]+)(?<=[^\s_])\1(?![^\W_])")
_CODE = re.compile(r"`+([^`]+)`+")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<!--[^<]*?-->")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_HUGE = re.compile(r"&#\d{20,};?")  # no character, and Python refuses 4,300 digits
_MARKS = re.compile(r"[*_`\[<\\&>+=~]")


def plain_text(paragraph: str) -> str:
    """Removes the marks of a paragraph: emphasis, links, lists, quotes, rules, tags, entities."""
    if not _MARKS.search(paragraph) and "- " not in paragraph and "---" not in paragraph:
        return paragraph
    text = _LINE_MARK.sub("", _RULE.sub("", paragraph))
    # Most paragraphs have marks of one kind: looking for a character is cheaper.
    for mark, pattern, replacement in (
        ("[", _LINK, r"\1"),
        ("`", _CODE, r"\1"),
        ("*", _STARS, r"\2"),
        ("_", _UNDERLINES, r"\2"),
        ("<", _TAG, " "),
        ("\\", _ESCAPE, r"\1"),
    ):
        if mark in text:
            text = pattern.sub(replacement, text)
    return html.unescape(_HUGE.sub("\ufffd", text)) if "&" in text else text
