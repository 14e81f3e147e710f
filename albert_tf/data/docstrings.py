"""English that is on every machine that runs this package: the docstrings of what it stands on.

A description is labelled by the package it comes from, which makes a small, honest task with
nothing to download. Three things would make it trivial or its score untrue, and are kept out:

- **The answer in the text.** Names of all packages and their usual abbreviations (`np.`, `tf.`)
  are deleted from every text, whichever package it belongs to, and so are identifiers that
  contain such a name (`numpy_function`).
- **The same text twice.** Descriptions that start alike (80 letters) count once; those found in
  more than one package belong to none and are dropped.
- **Neighbours on both sides.** Training and held-out examples never share a source file.

Files are parsed, never imported or run.
"""

import ast
import importlib.util
import os
import re
import sysconfig
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from albert_tf.data.docstring_prose import prose_paragraphs
from albert_tf.data.sentences import split_sentences

# Import name -> other words that give the package away. Requirements of ours, direct or not.
PACKAGES = {
    "stdlib": ("python", "cpython", "pep"),
    "tensorflow": ("tf",),
    "keras": ("tf_keras",),
    "numpy": ("np", "ndarray"),
    "scipy": ("sp",),
    "sklearn": ("scikit-learn", "scikit", "scikits"),
    "matplotlib": ("mpl", "pyplot", "plt"),
    "keras_hub": ("keras-hub", "kerashub", "keras_nlp", "kerasnlp"),
    "huggingface_hub": ("hugging face", "huggingface", "hf", "hub"),
    "fontTools": ("font tools",),
    "setuptools": ("distutils", "pkg_resources"),
    "pip": (),
    "narwhals": ("nw",),
    "pygments": (),
    "grpc": (),
    "PIL": ("pillow",),
    "rich": (),
    "absl": ("abseil",),
    "h5py": (),
    "tensorflow_text": ("tf_text",),
    "kagglesdk": ("kaggle", "kagglehub"),
    "fsspec": (),
    "click": (),
    "google.protobuf": ("protobuf",),
}
# Copies of other packages, tests and generated doubles hold no text of the package's own.
_FOREIGN_FOLDERS = frozenset(
    ["tests", "test", "testing", "_vendor", "vendor", "vendored", "externals", "_externals"]
    + ["extern", "_distutils", "array_api_compat", "array_api_extra", "site-packages"]
    + ["dist-packages", "lib2to3", "idlelib", "ensurepip", "turtledemo", "_tf_keras", "include"]
    + ["examples", "__pycache__"]
)
_FOREIGN_PATHS = {"tensorflow": ("python/keras/", "lite/tutorials/", "_api/"), "keras": ("api/",)}
_FOREIGN_ENDINGS = ("_test.py", "_pb2.py")


@dataclass(frozen=True)
class Description:
    """The prose of one docstring, with where it comes from.

    Args:
        package: key of `PACKAGES`.
        source: path of the file, relative to the package, with `/`.
        sentences: the prose, cleaned, package names deleted; at least one sentence.
    """

    package: str
    source: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


def read_package(package: str, max_source_bytes: int = 16_000_000) -> list[Description]:
    """Reads the docstrings of an installed package.

    Args:
        package: key of `PACKAGES`.
        max_source_bytes: stop after so much source (8 MB take about a second and a half). Files are
            taken in an order that is fixed but scattered, so that a large package is sampled.

    Returns:
        One description per docstring with prose, in that order; empty when the package is absent.
    """
    root = _folder(package)
    if root is None:
        return []
    files = sorted(_own_files(root, package), key=lambda path: zlib.crc32(path.encode()))
    descriptions, num_bytes = [], 0
    for source in files:
        code = (root / source).read_bytes()
        num_bytes += len(code)
        if num_bytes > max_source_bytes:
            break
        for docstring in _docstrings(code):
            if sentences := _clean_sentences(docstring):
                descriptions.append(Description(package, source, sentences))
    return descriptions


def drop_repeats(
    descriptions: Iterable[Description], max_sentence_count: int = 10
) -> list[Description]:
    """Keeps one of those that start alike, and none of those that several packages share.

    Args:
        descriptions: of all packages.
        max_sentence_count: a sentence found in more descriptions is boilerplate ("Read more in
            the User Guide.") and is deleted from all of them.
    """
    descriptions = list(descriptions)
    counts = Counter(sentence for d in descriptions for sentence in set(d.sentences))
    first, shared = {}, set()
    for description in descriptions:
        own = tuple(s for s in description.sentences if counts[s] <= max_sentence_count)
        if not own:
            continue
        description = replace(description, sentences=own)
        key = re.sub(r"[^a-z]+", "", description.text.lower())[:80]
        if first.setdefault(key, description).package != description.package:
            shared.add(key)
    return [description for key, description in first.items() if key not in shared]


def split_by_file(
    descriptions: Iterable[Description], dev_fraction: float = 0.1, test_fraction: float = 0.2
) -> tuple[list[Description], list[Description], list[Description]]:
    """Splits into train, dev and test so that no source file has descriptions on two sides.

    The side of a file depends on its own name alone, so it is the same on every machine.
    """
    train, dev, test = [], [], []
    for description in descriptions:
        name = f"{description.package}/{description.source}"
        place = zlib.crc32(name.encode()) % 1000 / 1000
        held_out = dev if place < dev_fraction else test
        (held_out if place < dev_fraction + test_fraction else train).append(description)
    return train, dev, test


def documents(descriptions: Iterable[Description]) -> list[list[str]]:
    """Gathers the sentences of each source file into one document, for pretraining."""
    by_file: dict[tuple[str, str], list[str]] = {}
    for description in descriptions:
        key = description.package, description.source
        by_file.setdefault(key, []).extend(description.sentences)
    return list(by_file.values())


def richest_packages(
    descriptions: Iterable[Description], num_packages: int, min_words: int = 8
) -> list[str]:
    """Names the packages with the most descriptions of at least `min_words`, in alphabetical order.

    Raises:
        ValueError: there are fewer than two packages to choose from.
    """
    counts = Counter(d.package for d in descriptions if len(d.text.split()) >= min_words)
    chosen = sorted(sorted(counts), key=counts.get, reverse=True)[:num_packages]
    if len(chosen) < 2:
        raise ValueError(
            f"Telling packages apart needs at least two with docstrings: found {chosen}. Name "
            "packages that are installed with their sources."
        )
    return sorted(chosen)


def labelled_examples(
    descriptions: Iterable[Description],
    packages: list[str],
    per_package: int,
    rng: np.random.Generator,
    min_words: int = 8,
) -> tuple[list[str], np.ndarray]:
    """Draws the examples of the task "which package does this description come from?".

    Args:
        descriptions: of one side of the split.
        packages: the classes; a label is an index into this list.
        per_package: most examples of a class, drawn without repeats.
        rng: the only source of chance.
        min_words: shorter descriptions are left out.

    Returns:
        Texts, and int32 labels `(num_examples,)`, shuffled.
    """
    pools: dict[str, list[str]] = {package: [] for package in packages}
    for description in descriptions:
        if description.package in pools and len(description.text.split()) >= min_words:
            pools[description.package].append(description.text)
    examples = [
        (pool[i], label)
        for label, pool in enumerate(pools.values())
        for i in rng.permutation(len(pool))[:per_package]
    ]
    order = rng.permutation(len(examples))
    return [examples[i][0] for i in order], np.array([examples[i][1] for i in order], np.int32)


def _folder(package: str) -> Path | None:
    if package == "stdlib":
        return Path(sysconfig.get_path("stdlib"))
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # the parent of a dotted name is absent
        return None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _own_files(root: Path, package: str) -> list[str]:
    foreign = _FOREIGN_PATHS.get(package, ())
    names = []
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in _FOREIGN_FOLDERS]
        inside = Path(folder).relative_to(root)
        names += [(inside / file).as_posix() for file in files if file.endswith(".py")]
    return [n for n in names if not n.startswith(foreign) and not n.endswith(_FOREIGN_ENDINGS)]


def _docstrings(code: bytes) -> list[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):  # a template, or a file for another version of Python
        return []
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(ast.get_docstring(node, clean=False))
        # Definitions stand in statements only; `ast.walk` would also visit every expression.
        blocks = (getattr(node, name, ()) for name in ("body", "orelse", "handlers", "finalbody"))
        inside = [statement for block in blocks if isinstance(block, list) for statement in block]
        waiting.extend(reversed(inside))
    return [docstring for docstring in found if docstring]


def _name_pattern() -> re.Pattern:
    names = {name for package, others in PACKAGES.items() for name in (package, *others)}
    names -= {"stdlib"}
    inside = sorted((n for n in names if len(n) >= 5), key=len, reverse=True)
    alone = sorted((n for n in names if len(n) < 5), key=len, reverse=True)
    inside, alone = ("|".join(map(re.escape, part)) for part in (inside, alone))
    # A name with its dot ("np."), an identifier around a name ("numpy_function"), "tf_export".
    return re.compile(rf"\b(?:(?:\w*(?:{inside})\w*|(?:{alone})(?:_\w+)?)(?:\.(?=\w)|\b))", re.I)


_PACKAGE_NAMES = _name_pattern()


def _clean_sentences(docstring: str) -> tuple[str, ...]:
    if "Copyright" in docstring or "License" in docstring:
        return ()
    sentences = []
    for paragraph in prose_paragraphs(docstring):
        for sentence in split_sentences(paragraph):
            words = " ".join(_PACKAGE_NAMES.sub("", sentence).split())
            if len(words.split()) >= 3:
                sentences.append(re.sub(r"\s+([.,;)])", r"\1", words))
    return tuple(sentences)
