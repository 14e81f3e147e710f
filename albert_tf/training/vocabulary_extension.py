"""New pieces for one's own text: a vocabulary and a model that are extended together.

The words of a trade are spelled with many pieces by a vocabulary that was trained on other text.
New pieces are found in the user's text as SentencePiece finds them; those that save the most tokens
are appended, so that every old id means what it meant.
"""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import sentencepiece

from albert_tf.checkpoints.files import find_checkpoint, read_json
from albert_tf.checkpoints.published import open_checkpoint
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.models.vocabulary_growth import grow_vocabulary
from albert_tf.staging import new_directory, refuse_existing
from albert_tf.tasks.loading import build_task, load_checkpoint
from albert_tf.tasks.sentence_order import tokenizer_beside
from albert_tf.text.plain_encoder import PlainEncoder, clean_lines
from albert_tf.text.sentencepiece_model import NORMAL, USER_DEFINED, WORD_START, SentencePieceModel
from albert_tf.tokenizer import AlbertTokenizer

MAX_LINE_BYTES = 4192  # SentencePiece leaves longer lines out without a word
# How much likelier than its old parts a new piece is at least, so that it is used.
MARGIN = 0.1
# How often pieces that are never taken are replaced by the next ones.
ROUNDS = 4


@dataclass(frozen=True)
class NewPiece:
    """A piece to append.

    Args:
        score: log-probability, as SentencePiece weighs pieces.
        parts: ids of the old pieces that spelled it.
        num_saved: tokens that it saves in the text that it was found in, about.
    """

    score: float
    parts: tuple[int, ...]
    num_saved: int


def extend(model_path, texts: Iterable[str], out, num_pieces, *, max_sentences=1_000_000) -> dict:
    """Writes a preset that is ready to go on pretraining, with new pieces for these texts.

    Args:
        model_path: preset or published checkpoint, with its vocabulary.
        texts: sentences or lines.
        out: new directory.
        num_pieces: how many pieces to append at most.
        max_sentences: so many texts are read.

    Returns:
        A dictionary: `new_pieces`, `vocabulary_size`, `tokens_before` and `tokens_after`, of the
        texts; `fresh_heads`, heads that the model did not have; and `examples`, the twenty pieces
        that save most.

    Raises:
        FileExistsError: `out` exists and is not empty.
        FileNotFoundError: there is no model or no vocabulary.
        ValueError: there is no text, or it has no piece that would save a token, or the vocabulary
            is WordPiece.
    """
    refuse_existing(out)
    tokenizer = tokenizer_beside(model_path)
    if not isinstance(tokenizer.vocabulary, SentencePieceModel):
        raise ValueError(
            f"Only SentencePiece vocabularies are extended: {model_path} has a WordPiece "
            "vocab.txt, whose pieces have no probabilities to choose by. It spells any word of "
            "known letters: go on pretraining with it as it is, `albert-tf pretrain --from`."
        )
    style = {"lowercase": tokenizer.lowercase, "keep_accents": tokenizer.keep_accents}
    lines = _lines(texts, max_sentences, **style)
    found = new_pieces(lines, SentencePieceModel(tokenizer.proto), num_pieces)
    scores = {piece: new.score for piece, new in found.items()}
    proto = SentencePieceModel(tokenizer.proto).extended_proto(scores)
    model, fresh = load_pretrainer(model_path)
    grown = grow_vocabulary(model, [new.parts for new in found.values()])
    with new_directory(out) as staged:
        grown.save_to_preset(str(staged))
        AlbertTokenizer(proto, **style).save_to_preset(str(staged))
    by_saving = sorted(found, key=lambda piece: -found[piece].num_saved)
    return {
        "new_pieces": len(found),
        "vocabulary_size": grown.backbone.albert_config.vocab_size,
        "tokens_before": count_tokens(lines, tokenizer.proto, **style),
        "tokens_after": count_tokens(lines, proto, **style),
        "fresh_heads": fresh,
        "examples": by_saving[:20],
    }


def new_pieces(lines, model: SentencePieceModel, num_pieces) -> dict[str, NewPiece]:
    """The pieces that save most tokens, in the order in which to append them.

    A unigram model of the text alone proposes pieces and says how often each is used; what a
    piece saves is that count times the old parts but one. A character that the vocabulary lacks
    comes before the first piece that has it. Pieces with a comma are left out, for the rule that
    splits "3," would need them split.

    Args:
        lines: cleaned texts.
        model: the vocabulary.
        num_pieces: how many at most.

    Raises:
        ValueError: `num_pieces` is below 1, there is no text, or nothing to save.
    """
    if num_pieces < 1:
        raise ValueError(f"The number of new pieces must be at least 1: got {num_pieces}.")
    if not lines:
        raise ValueError("New pieces come from text: got none. Check that the files have some.")
    proposed = _proposed(lines, model, 2 * num_pieces + 1000)
    speller = Speller(model)
    candidates = {}
    for piece, (score, count) in proposed.items():
        parts, old_score = speller.spell(piece)
        num_saved = count * max(len(parts) - 1, int(speller.unknown in parts))
        if num_saved:
            candidates[piece] = NewPiece(max(score, old_score + MARGIN), tuple(parts), num_saved)
    for _ in range(ROUNDS):
        chosen = _best(candidates, model, speller, num_pieces)
        if not chosen:
            raise ValueError(
                "The text has no piece that would save a token: the vocabulary knows all of its "
                "words. Go on pretraining without new pieces."
            )
        if not (unused := _unused(chosen, lines, model)):
            break
        candidates = {piece: new for piece, new in candidates.items() if piece not in unused}
    return {piece: new for piece, new in chosen.items() if piece not in unused}


def _best(candidates, model, speller, num_pieces):
    """The pieces that save most, each behind the new characters that it has."""
    chosen = {}
    for piece in sorted(candidates, key=lambda piece: (-candidates[piece].num_saved, piece)):
        strange = [c for c in dict.fromkeys(piece) if c not in model.ids and c not in chosen]
        strange = [c for c in strange if c != piece]
        if piece in chosen or len(chosen) + len(strange) + 1 > num_pieces:
            continue
        for character in strange:
            lowest = NewPiece(speller.lowest, (speller.unknown,), 0)
            chosen[character] = candidates.get(character, lowest)
        chosen[piece] = candidates[piece]
    return chosen


def _unused(chosen, lines, model):
    """Pieces that the text never takes, since others that were chosen too suit it better.

    Characters are kept: they are what other pieces are made of.
    """
    scores = {piece: new.score for piece, new in chosen.items()}
    extended = SentencePieceModel(model.extended_proto(scores))
    used = {index for ids in extended.processor.encode(lines) for index in ids}
    return {p for p in chosen if len(p) > 1 and extended.ids[p] not in used}


class Speller:
    """Cuts a piece into the likeliest pieces of a vocabulary, without a space before it."""

    def __init__(self, model: SentencePieceModel):
        get_score = model.processor.get_score
        self.scores = {model.pieces[i]: get_score(int(i)) for i in model.of_type(NORMAL)}
        self.ids = model.ids
        self.unknown = model.processor.unk_id()
        self.longest = max(map(len, self.scores))
        self.lowest = min(self.scores.values())

    def spell(self, piece) -> tuple[list[int], float]:
        """The ids of the parts, and their log-probability together (Viterbi)."""
        best = [(0.0, [])] + [(float("-inf"), [])] * len(piece)
        for end in range(1, len(piece) + 1):
            for start in range(max(0, end - self.longest), end):
                part = piece[start:end]
                if part in self.scores:
                    score, index = self.scores[part], self.ids[part]
                elif end - start == 1:
                    score, index = self.lowest - 10, self.unknown  # as SentencePiece has it
                else:
                    continue
                if best[start][0] + score > best[end][0]:
                    best[end] = best[start][0] + score, [*best[start][1], index]
        return best[-1][1], best[-1][0]


def load_pretrainer(path) -> tuple[AlbertPretrainer, list[str]]:
    """The model of any checkpoint with both pretraining heads, new ones where it has none.

    Returns:
        The model, and the names of its new heads.

    Raises:
        FileNotFoundError, ValueError: see `load_checkpoint`.
    """
    files = find_checkpoint(path)
    heads = ["masked_lm_head", "sentence_order_head"]
    if files.kind != "preset":
        present = open_checkpoint(files).heads
        model = build_task(AlbertPretrainer, path)
        return model, [head for head in heads if head not in present]
    task = files.directory / "task.json"
    if task.is_file() and read_json(task)["registered_name"] == "albert_tf>AlbertPretrainer":
        return load_checkpoint(path, "pretrainer"), []
    return AlbertPretrainer(load_checkpoint(path, "backbone")), heads


def count_tokens(lines, proto, lowercase, keep_accents) -> int:
    """How many tokens a vocabulary spells cleaned texts with."""
    model = SentencePieceModel(proto)
    return len(PlainEncoder(model, lowercase, keep_accents).encode(lines)[0])


def _lines(texts, max_sentences, lowercase, keep_accents):
    squeezed = (" ".join(text.split()) for text in texts)
    lines = list(islice((line for line in squeezed if line), max_sentences))
    return clean_lines(lines, lowercase, keep_accents)


def _proposed(lines, model, vocab_size):
    """Pieces of a unigram model of the text alone that the vocabulary lacks: score and count."""
    trained = io.BytesIO()
    symbols = [model.pieces[i] for i in model.of_type(USER_DEFINED)]
    sentencepiece.set_random_generator_seed(0)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=trained,
            model_type="unigram",
            vocab_size=vocab_size,
            hard_vocab_limit=False,  # a small text gives less
            user_defined_symbols=symbols,
            character_coverage=0.9995,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=16,  # part of the result: sums are rounded per thread
            minloglevel=2,
        )
    except RuntimeError as error:
        raise ValueError(f"SentencePiece finds no pieces in this text: {error}") from error
    own = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    counts = Counter(index for ids in own.encode(lines) for index in ids)
    proposed = {}
    for index, count in sorted(counts.items()):
        piece = own.id_to_piece(index)
        is_text = not (own.is_control(index) or own.is_unknown(index)) and piece not in symbols
        if is_text and piece not in model.ids and piece != WORD_START and "," not in piece:
            proposed[piece] = own.get_score(index), count
    return proposed
