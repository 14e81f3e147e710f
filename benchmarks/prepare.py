"""Times `albert-tf prepare` beside plain Python: `python benchmarks/prepare.py`.

The peer does what the original's `create_pretraining_data.py` does, told in plain Python as it is
there: `sentencepiece` piece by piece, pairs and masks in loops over tokens, padded examples. Both
read the same books and write TFRecord files. Ways are interleaved, one process and one thread
each, and of the processor times of all rounds the least is given: neighbours can only add to it.

Static masking is the same work as the original's. Dynamic masking, the default, leaves masks to
training and so has less to do here.
"""

import argparse
import gc
import os
import platform
import random
import runpy
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import sentencepiece
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from albert_tf.data.documents import Piece, read_documents
from albert_tf.data.preparation.corpus import find_files
from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.sentences import split_sentences

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
LENGTH, MOST, FRACTION, SHORT_PROB, MAX_NGRAM = 128, 20, 0.15, 0.1, 3
original = runpy.run_path(REPOSITORY / "tests" / "original_tokenization.py")


def plain_python(files, vocabulary, out, seed=0):
    """The original's way; gives the number of tokens of the text."""
    rng, np_rng = random.Random(seed), np.random.RandomState(seed)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    vocabulary_words = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    documents, num_tokens = [], 0
    for file in files:
        for document in read_documents(Piece(file.path, file.name, file.format)):
            sentences = [s for text in document.paragraphs for s in split_sentences(text)]
            tokens = [
                original["encode_pieces"](processor, original["clean"](sentence))
                for sentence in sentences
            ]
            documents.append([sentence for sentence in tokens if sentence])
            num_tokens += sum(map(len, tokens))
    rng.shuffle(documents)
    rows = [
        (*mask(tokens, vocabulary_words, rng, np_rng), segment_ids, swapped)
        for document in documents
        for tokens, segment_ids, swapped in pairs(document, rng)
    ]
    rng.shuffle(rows)
    with tf.io.TFRecordWriter(str(out)) as writer:
        for row in rows:
            writer.write(example(processor, *row))
    return num_tokens


def pairs(document, rng):
    """Segment pairs as the original makes them; lone sentences are left out."""
    room = LENGTH - 3
    chunk, length = [], 0
    target = rng.randint(2, room) if rng.random() < SHORT_PROB else room
    for number, sentence in enumerate(document):
        chunk.append(sentence)
        length += len(sentence)
        if number < len(document) - 1 and length < target or len(chunk) == 1:
            continue
        cut = rng.randint(1, len(chunk) - 1)
        first, second = [], []
        for sentence in chunk[:cut]:
            first.extend(sentence)
        for sentence in chunk[cut:]:
            second.extend(sentence)
        swapped = rng.random() < 0.5
        if swapped:
            first, second = second, first
        while len(first) + len(second) > room:
            longer = first if len(first) > len(second) else second
            if rng.random() < 0.5:
                del longer[0]
            else:
                longer.pop()
        tokens, segment_ids = ["[CLS]"], [0]
        for token in first:
            tokens.append(token)
            segment_ids.append(0)
        tokens.append("[SEP]")
        segment_ids.append(0)
        for token in second:
            tokens.append(token)
            segment_ids.append(1)
        tokens.append("[SEP]")
        segment_ids.append(1)
        yield tokens, segment_ids, swapped
        chunk, length = [], 0
        target = rng.randint(2, room) if rng.random() < SHORT_PROB else room


def starts_word(piece):
    """`_is_start_piece_sp` of the original, which builds its sets at every call."""
    special = {*'!"#$%&"()*+,-./:;?@[\\]^_`{|}~', "€", "£"}
    letters = {*"abcdefghijklmnopqrstuvwxyz"}
    return (
        piece.startswith("▁")
        or piece.startswith("<")
        or piece in special
        or not all(letter.lower() in letters.union(special) for letter in piece)
    )


def mask(tokens, vocabulary_words, rng, np_rng):
    """`create_masked_lm_predictions` of the original."""
    words = []
    for position, token in enumerate(tokens):
        if token in ("[CLS]", "[SEP]"):
            continue
        if words and not starts_word(token):
            words[-1].append(position)
        else:
            words.append([position])
    budget = min(MOST, max(1, round(len(tokens) * FRACTION)))
    odds = 1.0 / np.arange(1, MAX_NGRAM + 1)
    ngrams = [[words[i : i + n] for n in range(1, MAX_NGRAM + 1)] for i in range(len(words))]
    rng.shuffle(ngrams)
    output, masked, covered = list(tokens), [], set()
    for spans in ngrams:
        if len(masked) >= budget:
            break
        n = np_rng.choice(np.arange(1, MAX_NGRAM + 1), p=odds / odds.sum())
        span = sum(spans[n - 1], [])
        while len(masked) + len(span) > budget and n > 1:
            n -= 1
            span = sum(spans[n - 1], [])
        if len(masked) + len(span) > budget or any(position in covered for position in span):
            continue
        for position in span:
            covered.add(position)
            if rng.random() < 0.8:
                output[position] = "[MASK]"
            elif rng.random() < 0.5:
                output[position] = vocabulary_words[rng.randint(0, len(vocabulary_words) - 1)]
            masked.append((position, tokens[position]))
    masked.sort()
    return output, masked


def example(processor, tokens, masked, segment_ids, swapped):
    """One padded example, as the original writes it."""
    ids = [processor.piece_to_id(token) for token in tokens]
    positions = [position for position, _ in masked]
    labels = [processor.piece_to_id(token) for _, token in masked]
    weights = [1.0] * len(labels)
    mask = [1] * len(ids)
    while len(ids) < LENGTH:
        ids.append(0)
        mask.append(0)
        segment_ids.append(0)
    while len(positions) < MOST:
        positions.append(0)
        labels.append(0)
        weights.append(0.0)
    lists = {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": segment_ids,
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "next_sentence_labels": [int(swapped)],
    }
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        for name, values in lists.items()
    }
    features["masked_lm_weights"] = tf.train.Feature(float_list=tf.train.FloatList(value=weights))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def ours(files, vocabulary, out, **settings):
    """`albert-tf prepare` in this process; gives the number of tokens of the text."""
    settings = PreparationSettings(sequence_length=LENGTH, held_out=0.0, shards=4, **settings)
    paths = [file.path for file in files]
    manifest = prepare(paths, vocabulary, out, settings, num_workers=1)
    return manifest["text"]["tokens"]


def unpack_books(folder, every):
    """Takes one of `every` books out of the archive."""
    with tarfile.open(SHARED / "books.tar.xz") as archive:
        members = sorted(
            (member for member in archive if member.name.endswith(".md")), key=lambda m: m.name
        )
    with tarfile.open(SHARED / "books.tar.xz") as archive:
        wanted = {member.name for member in members[::every]}
        archive.extractall(folder, (m for m in archive if m.name in wanted), filter="data")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--vocabulary", type=Path, default=SHARED / "spm" / "30k-clean.model")
    parser.add_argument("--texts", nargs="+", help="files or folders; default: some of the books")
    parser.add_argument("--every", type=int, default=25, help="one book of so many")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    if not arguments.texts:
        unpack_books(scratch / "books", arguments.every)
    files = find_files(arguments.texts or [scratch / "books"])
    ways = {
        "plain Python, static masks": lambda out: plain_python(files, arguments.vocabulary, out),
        "prepare, static masks": lambda out: ours(
            files, arguments.vocabulary, out, masking="static"
        ),
        "prepare, dynamic masks": lambda out: ours(files, arguments.vocabulary, out),
    }
    # TensorFlow's million objects, which only the peer needs, would be searched for garbage again
    # and again.
    gc.freeze()
    seconds, tokens = {name: [] for name in ways}, {}
    for repeat in range(arguments.repeats):
        for number, (name, run) in enumerate(ways.items()):
            begin = time.process_time()
            tokens[name] = run(scratch / f"out-{repeat}-{number}")
            seconds[name].append(time.process_time() - begin)
    shutil.rmtree(scratch)
    megabytes = sum(file.size for file in files) / 1e6
    table = Table(
        title=f"{len(files)} files, {megabytes:.1f} MB, {len(set(tokens.values()))} token count"
        f" ({', '.join(f'{n:,}' for n in sorted(set(tokens.values())))}), "
        f"{arguments.repeats} repeats, {platform.processor() or platform.machine()}"
    )
    for column in ("way", "seconds", "tokens/s and core", "times plain Python"):
        table.add_column(column, justify="left" if column == "way" else "right")
    plain = min(next(iter(seconds.values())))
    for name, measured in seconds.items():
        least = min(measured)
        table.add_row(name, f"{least:.2f}", f"{tokens[name] / least:,.0f}", f"{plain / least:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
