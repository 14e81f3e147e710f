import re

import numpy as np
import pytest

from albert_tf.data.docstring_prose import prose_paragraphs
from albert_tf.data.docstrings import (
    PACKAGES,
    Description,
    documents,
    drop_repeats,
    labelled_examples,
    read_package,
    split_by_file,
)
from albert_tf.data.sentences import split_sentences

NUMPY_STYLE = """Return the mean of an array

    The **arithmetic mean** is the sum divided by the count, see :func:`~lib.sum`
    and `the guide <https://example.org>`_ [1]_.

    Parameters
    ----------
    a : array_like
        Array of numbers to average, whatever its shape is.

    Notes
    -----
    The sum is taken in ``float64`` for integers.

    Examples
    --------
    >>> mean([1, 2])
    1.5
    """
GOOGLE_STYLE = """Opens a file and reads every line of it.

    Args:
      path: The path of the file that is going to be read.

    The text is decoded before it is returned:

        for line in lines: pass

    - A list item is no prose, even if it ends in a full stop.

    ```python
    The code here looks like prose to a careless reader.
    ```

    A template of {names} is no prose either, nor is a == b for any b.
    """


@pytest.fixture
def make_package(tmp_path, monkeypatch):
    """Writes a package that nobody may import and puts it on the path."""

    def make(name, **files):
        root = tmp_path / name
        (root / "tests").mkdir(parents=True)
        (root / "__init__.py").write_text("raise SystemExit\n")
        for file, text in files.items():
            (root / f"{file.replace('__', '/')}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return make


def described(package, source, *sentences):
    return Description(package, source, sentences)


def test_prose_of_a_numpy_docstring():
    assert prose_paragraphs(NUMPY_STYLE) == [
        "Return the mean of an array.",
        "The arithmetic mean is the sum divided by the count, see lib.sum and the guide.",
        "The sum is taken in float64 for integers.",
    ]


def test_prose_of_a_google_docstring():
    assert prose_paragraphs(GOOGLE_STYLE) == ["Opens a file and reads every line of it."]


@pytest.mark.parametrize("empty", ["", "   \n\n", "x", "----", ">>> 1 + 1\n2", "Args:\n  a: b"])
def test_a_docstring_without_prose_gives_none(empty):
    assert prose_paragraphs(empty) == []


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One here. Two there!  Three?", ["One here.", "Two there!", "Three?"]),
        ("See e.g. Knuth, vol. 2. It says so.", ["See e.g. Knuth, vol. 2.", "It says so."]),
        ("By J. Smith. (Not by A. Doe.) Yes.", ["By J. Smith.", "(Not by A. Doe.)", "Yes."]),
        ('He said "stop." Then\nhe left.', ['He said "stop."', "Then he left."]),
        ("Version 2.1 of a.b.c is out", ["Version 2.1 of a.b.c is out"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, sentences):
    assert split_sentences(text) == sentences


def test_files_are_parsed_not_run_and_tests_and_broken_files_are_left_out(make_package):
    package = make_package(
        "unimportable",
        good='def f():\n  if True:\n    class C:\n      """A class deep inside it."""\n',
        broken='"""This file has a mistake in it."""\ndef f(:\n',
        tests__case='"""Tests have docstrings of their own."""',
    )
    (description,) = read_package(package)
    assert description == described(package, "good.py", "A class deep inside it.")


def test_package_names_are_deleted_from_the_text(make_package):
    package = make_package(
        "named",
        a='"""Change each NumPy array of the list with tf.cast, np.asarray or numpy_function."""',
    )
    text = "Change each array of the list with cast, asarray or."
    assert read_package(package)[0].text == text


def test_no_real_description_names_a_package():
    names = {name for key, others in PACKAGES.items() for name in (key, *others)} - {"stdlib"}
    spelled = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b", re.IGNORECASE)
    descriptions = read_package("numpy", 1_000_000) + read_package("keras", 1_000_000)
    assert len(descriptions) > 300
    assert [d.text for d in descriptions if spelled.search(d.text)] == []


def test_reading_is_deterministic_and_bounded():
    small, again = read_package("stdlib", 300_000), read_package("stdlib", 300_000)
    assert small == again and len(small) > 20
    assert small == read_package("stdlib", 600_000)[: len(small)]


def test_an_absent_package_gives_nothing():
    assert read_package("no_such_package") == read_package("no.such.package") == []


def test_descriptions_that_start_alike_count_once_and_shared_ones_not_at_all():
    same = "Compute the value of it " * 5
    kept = drop_repeats(
        [
            described("a", "1.py", same + "in one way."),
            described("b", "1.py", same.upper() + "IN ONE WAY."),
            described("b", "2.py", same + "otherwise."),
            described("b", "3.py", "Something else."),
            described("b", "4.py", "Something  else!"),
        ]
    )
    assert [(d.package, d.source) for d in kept] == [("b", "3.py")]


def test_boilerplate_sentences_are_deleted():
    many = [described("a", f"{i}.py", f"Number {'i' * i}.", "Read the guide.") for i in range(12)]
    lone = described("a", "lone.py", "Read the guide.")
    assert {d.sentences for d in drop_repeats([*many, lone])} == {
        (f"Number {'i' * i}.",) for i in range(12)
    }


def test_no_file_is_on_two_sides_of_the_split():
    descriptions = [described("a", f"{i % 200}.py", f"Text {i}.") for i in range(1000)]
    train, dev, test = split_by_file(descriptions, dev_fraction=0.1, test_fraction=0.2)
    files = [{d.source for d in part} for part in (train, dev, test)]
    assert sum(map(len, files)) == len(set.union(*files)) == 200
    # Four standard deviations of 200 files.
    assert len(files[1]) / 200 == pytest.approx(0.1, abs=0.085)
    assert len(files[2]) / 200 == pytest.approx(0.2, abs=0.115)


def test_the_side_of_a_file_does_not_depend_on_the_others():
    descriptions = [described("a", f"{i}.py", f"Text {i}.") for i in range(100)]
    _, dev, _ = split_by_file(descriptions)
    _, dev_of_half, _ = split_by_file(descriptions[::2])
    assert set(dev_of_half) == set(dev) & set(descriptions[::2])


def test_a_document_holds_the_sentences_of_one_file_in_order():
    assert documents(
        [
            described("a", "1.py", "One.", "Two."),
            described("b", "1.py", "Other."),
            described("a", "1.py", "Three."),
        ]
    ) == [["One.", "Two.", "Three."], ["Other."]]


def test_examples_are_balanced_shuffled_and_fixed_by_the_seed():
    descriptions = [
        described(package, f"{i}.py", f"{package} text number {i} with eight words in it.")
        for package in ("a", "b", "c")
        for i in range(20 if package == "a" else 50)
    ] + [described("a", "short.py", "Too short.")]

    def draw(seed):
        rng = np.random.default_rng(seed)
        return labelled_examples(descriptions, ["a", "b"], per_package=30, rng=rng)

    texts, labels = draw(0)
    assert np.bincount(labels).tolist() == [20, 30] and len(set(texts)) == 50
    assert all(text.startswith("ab"[label]) for text, label in zip(texts, labels, strict=True))
    assert np.any(np.diff(labels) < 0)
    assert draw(0)[0] == texts != draw(1)[0]
