"""Trains a SentencePiece vocabulary with the settings of the published one (original's README)."""

import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import sentencepiece

from albert_tf.data.documents import Piece, read_documents
from albert_tf.data.preparation.corpus import find_files
from albert_tf.data.sentences import split_sentences
from albert_tf.staging import new_file
from albert_tf.text.plain_encoder import clean_lines

CONTROL_SYMBOLS = ("[CLS]", "[SEP]", "[MASK]")
USER_SYMBOLS = ("(", ")", '"', "-", ".", "–", "£", "€")
MAX_LINE_BYTES = 4192  # SentencePiece leaves longer lines out without a word


def train_vocabulary(
    texts: Iterable[str],
    out: str | Path,
    vocab_size: int = 30_000,
    *,
    lowercase: bool = True,
    keep_accents: bool = False,
    character_coverage: float = 0.99995,
    max_sentences: int = 10_000_000,
    overwrite: bool = False,
) -> Path:
    """Trains a vocabulary as the original did; the file loads in `AlbertTokenizer`.

    A unigram model with `<pad>` 0, `<unk>` 1, no begin or end marks, the control symbols
    [CLS] [SEP] [MASK], and `( ) " - . – £ €` each always a piece of its own. The text is cleaned
    as the tokenizer cleans it. The same texts in the same order give the same file.

    Args:
        texts: sentences or lines, read once; give a generator for a corpus of any size.
        out: file to write, for example `vocabulary.model`.
        vocab_size: number of pieces, the special ones included.
        lowercase, keep_accents: as for the `AlbertTokenizer` that will use the file.
        character_coverage: share of the characters of the text that get a piece, in [0.98, 1].
        max_sentences: SentencePiece holds at most so many in memory, drawn by chance.
        overwrite: whether an existing file may be replaced.

    Returns:
        `out` as a `Path`.

    Raises:
        FileExistsError: `out` exists and `overwrite` is false.
        ValueError: no text, or too little text for the vocabulary, or a vocabulary too small
            for the characters of the text; the message names the sizes that are possible. Or a
            number is out of its range.
    """
    if vocab_size < 1:
        raise ValueError(f"vocab_size must be at least 1: got {vocab_size}.")
    if not 0.98 <= character_coverage <= 1:
        raise ValueError(
            f"character_coverage must be in [0.98, 1], as SentencePiece has it: got "
            f"{character_coverage}."
        )
    model = io.BytesIO()
    with new_file(out, overwrite=overwrite) as staged:
        sentencepiece.set_random_generator_seed(0)
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_cleaned_lines(texts, lowercase, keep_accents),
                model_writer=model,
                model_type="unigram",
                vocab_size=vocab_size,
                pad_id=0,
                unk_id=1,
                bos_id=-1,
                eos_id=-1,
                control_symbols=list(CONTROL_SYMBOLS),
                user_defined_symbols=list(USER_SYMBOLS),
                character_coverage=character_coverage,
                shuffle_input_sentence=True,
                input_sentence_size=max_sentences,
                max_sentence_length=MAX_LINE_BYTES,
                num_threads=16,  # part of the result: sums are rounded per thread
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ValueError(_advice(str(error), vocab_size)) from error
        staged.write_bytes(model.getvalue())
    return Path(out)


def sentences_of(
    texts: Iterable[str | Path], format: str = "auto", field: str = "text"
) -> Iterator[str]:
    """Yields the sentences of text files one by one, as `albert-tf prepare` reads them.

    Args:
        texts: files, folders and patterns, see `find_files`.
        format: of the files, or `auto`.
        field: key of the text in JSON lines.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file cannot be read; the message names file and line.
    """
    for file in find_files(texts, format):
        for document in read_documents(Piece(file.path, file.name, file.format), field):
            for paragraph in document.paragraphs:
                yield from split_sentences(paragraph)


def _cleaned_lines(texts: Iterable[str], lowercase: bool, keep_accents: bool) -> Iterator[bytes]:
    texts = iter(texts)
    while batch := list(islice(texts, 1000)):
        squeezed = [" ".join(text.split()) for text in batch]
        for line in clean_lines(squeezed, lowercase, keep_accents):
            yield from _pieces_of_line(line.encode())


def _pieces_of_line(line: bytes) -> Iterator[bytes]:
    """Cuts a line so that every part is short enough to be used: at a space if there is one."""
    while len(line) > MAX_LINE_BYTES:
        end = line.rfind(b" ", 0, MAX_LINE_BYTES)
        if end <= 0:  # as Chinese has none: between characters
            end = MAX_LINE_BYTES
            while line[end] & 0xC0 == 0x80:  # within one
                end -= 1
        yield line[:end]
        line = line[end:].removeprefix(b" ")
    if line:
        yield line


def _advice(message: str, vocab_size: int) -> str:
    """Says what SentencePiece's message means for the caller."""
    if "!sentences_.empty()" in message:
        return "A vocabulary needs text: got none. Check that the input files are not empty."
    if largest := re.search(r"value <= (\d+)", message):
        return (
            f"The text must be rich enough for vocab_size pieces: got vocab_size={vocab_size}, and "
            f"this text can give at most {largest[1]}. Use vocab_size={largest[1]} or less, or "
            "more text."
        )
    if smallest := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return (
            f"Every character of the text needs a piece: got vocab_size={vocab_size}, and this "
            f"text needs at least {smallest[1]}. Use more pieces or a smaller character_coverage."
        )
    return f"SentencePiece could not train a vocabulary of {vocab_size} pieces: {message}"
