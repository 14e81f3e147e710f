"""Writes texts in which every sentence is said twice, to be pretrained on between plain ones.

    python benchmarks/echoes.py --texts BOOKS --out doubled --files 160
    python benchmarks/echoes.py --texts BOOKS --out pairs --files 80 --pairs

A small model on plain text looks for the same word in the other segment only late, and tasks of
two texts need just that (docs/log.md, "Why pairs are not learned"). In the first form a document
is a passage, each of its sentences at once said again: its masked words can be copied. In the
second it is one sentence and its echo, in which words are missing; with `--objective nsp` the
model tells an echo from a stranger. Prepare both with `--format blank-line --sentences lines`.
"""

import argparse
import random
from pathlib import Path

from albert_tf.data.sentences import split_sentences
from albert_tf.staging import new_directory

LETTERS = range(16, 120)  # of a sentence: two of them fit into 64 tokens
SENTENCES = 60  # of a passage, at least
MOST_LEFT_OUT = 0.6  # of the words of an echo


def passages(path):
    """Yields the passages of a book in Markdown, lists of sentences; a short last one is left."""
    sentences = []
    for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
        if not paragraph.strip() or paragraph.startswith("#"):
            continue
        found = split_sentences(" ".join(paragraph.split()))
        sentences += [sentence for sentence in found if len(sentence) in LETTERS]
        if len(sentences) > SENTENCES:
            yield sentences
            sentences = []


def pairs(sentences, rng):
    """Yields each sentence with its echo, in either order; too short ones are left out."""
    for sentence in sentences:
        words, left_out = sentence.split(), rng.uniform(0, MOST_LEFT_OUT)
        kept = [word for word in words if rng.random() >= left_out]
        if len(words) < 5 or len(kept) < 2:
            continue
        pair = [sentence, " ".join(kept)]
        yield pair[::-1] if rng.random() < 0.5 else pair


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=Path, required=True, help="folder of Markdown books")
    parser.add_argument("--out", type=Path, required=True, help="new folder of texts")
    parser.add_argument("--files", type=int, default=160, help="books that are drawn")
    parser.add_argument("--pairs", action="store_true", help="sentences with echoes, no passages")
    arguments = parser.parse_args()
    books = sorted(arguments.texts.rglob("*.md"))
    random.Random(0).shuffle(books)
    rng = random.Random(7)
    with new_directory(arguments.out) as staged:
        for number, book in enumerate(books[: arguments.files]):
            documents = [
                document
                for passage in passages(book)
                for document in (
                    pairs(passage, rng)
                    if arguments.pairs
                    else [[sentence for sentence in passage for _ in range(2)]]
                )
            ]
            text = "".join("\n".join(document) + "\n\n" for document in documents)
            (staged / f"{number:03d}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
