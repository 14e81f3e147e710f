"""Times the tokenizer beside the sentencepiece package: `python benchmarks/tokenizer.py`.

The peer is what the original does: its clean-up in plain Python, then `sentencepiece`. Calls are
interleaved, so that a noisy neighbour slows all alike, and the ratio of medians is the figure to
trust; processor time (all threads) is given too, which neighbours disturb less. Every way must
give the same ids, or the run fails.
"""

import argparse
import functools
import gzip
import itertools
import json
import os
import platform
import runpy
import statistics
import tarfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import sentencepiece
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from albert_tf.tokenizer import AlbertTokenizer

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
original = runpy.run_path(REPOSITORY / "tests" / "original_tokenization.py")


def captions(num_texts):
    with tarfile.open(SHARED / "multi30k.tar.xz") as archive:
        packed = archive.extractfile("multi30k/train.en.gz").read()
    return gzip.decompress(packed).decode("utf-8").splitlines()[:num_texts]


def paragraphs(num_texts):
    with tarfile.open(SHARED / "squad.tar.xz") as archive:
        articles = json.load(archive.extractfile("squad/official-dev-v1.1.json"))["data"]
    contexts = (p["context"] for article in articles for p in article["paragraphs"])
    return list(itertools.islice(contexts, num_texts))


def ways_to_encode(vocabulary, texts):
    """Names each way to turn the texts into lists of ids; the first is the measure."""
    tokenizer = AlbertTokenizer(vocabulary)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(512)
    dataset = dataset.map(tokenizer, num_parallel_calls=tf.data.AUTOTUNE)

    def in_batches(encode, size):
        return lambda: [encode(texts[i : i + size]) for i in range(0, len(texts), size)]

    return {
        "original (Python)": lambda: [[original["encode"](processor, text) for text in texts]],
        "ours, 32 a call": in_batches(tokenizer, 32),
        "ours, 512 a call": in_batches(tokenizer, 512),
        "ours, tf.data by 512": lambda: list(dataset),
        "ours with spans, 512 a call": in_batches(
            lambda batch: tokenizer.tokenize_with_offsets(batch)[0], 512
        ),
    }


def flat_ids(batches):
    lists = (batch if isinstance(batch, list) else batch.to_list() for batch in batches)
    return list(itertools.chain.from_iterable(lists))


def medians(ways, repeats):
    """Gives per way the median seconds of a run: by the clock, and of processor time."""
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, encode in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            encode()
            times[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {
        name: tuple(map(statistics.median, zip(*spent, strict=True)))
        for name, spent in times.items()
    }


def report(title, vocabulary, texts, repeats, console):
    ways = ways_to_encode(vocabulary, texts)
    expected, *others = (flat_ids(encode()) for encode in ways.values())
    if any(ids != expected for ids in others):
        raise SystemExit(f"{title}: the ways give different ids, their times mean nothing.")
    table = Table(title=f"{title}: {len(texts)} texts, {sum(map(len, texts)):,} characters")
    columns = ("way", "texts/s", "ratio", "CPU µs a text", "ratio")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    seconds = medians(ways, repeats)
    clock, processor = next(iter(seconds.values()))
    for name, (spent, worked) in seconds.items():
        row = [f"{len(texts) / spent:,.0f}", f"{clock / spent:.2f} x"]
        row += [f"{worked / len(texts) * 1e6:.1f}", f"{worked / processor:.2f} x"]
        table.add_row(name, *row)
    console.print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--text", type=Path, help="file to read instead, one text a line")
    parser.add_argument("--vocabulary", type=Path, default=SHARED / "spm" / "30k-clean.model")
    parser.add_argument("--num-texts", type=int, default=4096, help="texts of each kind")
    parser.add_argument("--repeats", type=int, default=11)
    flags = parser.parse_args()
    if flags.text:
        lines = flags.text.read_text(encoding="utf-8").splitlines()
        kinds = {flags.text.name: lambda num_texts: lines[:num_texts]}
    elif SHARED.is_dir():
        kinds = {"Multi30k captions": captions, "SQuAD paragraphs": paragraphs}
    else:
        parser.error(f"{SHARED} is absent: name a file with --text and one with --vocabulary.")
    console = Console()
    console.print(f"{os.cpu_count()} CPUs, {platform.processor() or platform.machine()}")
    run = functools.partial(report, repeats=flags.repeats, console=console)
    for title, read in kinds.items():
        run(title, flags.vocabulary, read(flags.num_texts))


if __name__ == "__main__":
    main()
