"""What of a docstring is prose: examples, tables of arguments and markup are left behind."""

import inspect
import re

# Sections whose body is running text; every other titled section lists arguments, code or sources.
_PROSE_SECTIONS = frozenset({"notes", "note", "description", "summary", "overview", "details"})
_UNDERLINE = re.compile(r"([-=~^\"'*#+])\1{2,}\s*")
_LIST_ITEM = re.compile(r"(?:[-*+•|:@#>]|\.\.|\d+[.)]\s|\(\w\)|\\)")
_MARKUP = [
    (re.compile(r":[\w:.+-]+:`~?([^`<]*?)\s*(?:<[^`>]*>)?`"), r"\1"),  # :func:`name <target>`
    (re.compile(r"`([^`<]+?)\s*<[^`>]*>`_*"), r"\1"),  # `text <address>`_
    (re.compile(r"!?\[([^\]]+)\]\([^)]*\)"), r"\1"),  # [text](address)
    (re.compile(r"\[[\w, ]+\]_"), ""),  # [1]_
    (re.compile(r"(?:https?|ftp)://\S+"), ""),
    (re.compile(r"`+([^`]*)`+_*"), r"\1"),
    (re.compile(r"(\*{1,2}|\|)(?=\S)([^*|\n]+?)(?<=\S)\1"), r"\2"),  # *stress*, |substitution|
]
# Templates, formulas and code that stand in a paragraph of their own.
_NOT_PROSE = re.compile(r"[{}\\]|%[(s]|\$|==|->|=>|::|__\w+__|\w\(\)?\w*=|[<>]{2}")


def prose_paragraphs(docstring: str) -> list[str]:
    """Finds the paragraphs of running English in a docstring.

    Kept: unindented paragraphs of at least four words that end as a sentence does, and a first
    line without full stop. Left out: doctest and fenced code, everything indented (bodies of
    `Args:` and of directives, code), lists, the sections under an underlined title that are not
    notes, field lists, headings, and whatever holds a formula or a template.

    Args:
        docstring: as it stands in the source, indentation included.

    Returns:
        The paragraphs in order, each on one line, markup removed.
    """
    paragraphs = []
    for number, lines in enumerate(_blocks(inspect.cleandoc(docstring).split("\n"))):
        paragraph = " ".join(" ".join(lines).split())
        for pattern, kept in _MARKUP:
            paragraph = pattern.sub(kept, paragraph)
        paragraph = re.sub(r"\s+([.,;)])", r"\1", " ".join(paragraph.split()))
        if number == 0 and paragraph[-1:].isalnum():
            paragraph += "."
        if _is_prose(paragraph):
            paragraphs.append(paragraph)
    return paragraphs


def _blocks(lines: list[str]):
    """Yields runs of lines that may be prose; whatever is left out ends a run."""
    run, in_fence, in_doctest, in_prose = [], False, False, True
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        titled = _UNDERLINE.fullmatch(following) is not None and line.strip() and line[0] != " "
        if line.lstrip().startswith("```"):
            in_fence = not in_fence
        elif titled:
            in_prose = line.strip().rstrip(":").lower() in _PROSE_SECTIONS
        in_doctest = line.lstrip().startswith(">>>") or (in_doctest and bool(line.strip()))
        keep = in_prose and not (in_fence or in_doctest or titled or not line.strip())
        if keep and not (line[0] == " " or _UNDERLINE.fullmatch(line) or _LIST_ITEM.match(line)):
            run.append(line)
            continue
        if run:
            yield run
        run = []
    if run:
        yield run


def _is_prose(paragraph: str) -> bool:
    words = paragraph.split()
    if len(words) < 4 or not paragraph.endswith((".", "!", "?")) or _NOT_PROSE.search(paragraph):
        return False
    plain = sum(word.strip(".,;:!?()'\"-").replace("-", "").isalpha() for word in words)
    return plain >= 0.7 * len(words)
