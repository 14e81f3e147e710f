"""From documents to rows, many documents at once: the one function that every runner calls.

What a document becomes depends on the settings, the seed and the document alone (and on the
documents beside it in its task, where the second segment comes from another document), never on
who computes it or when.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from albert_tf.data.documents import Document, Piece, read_documents
from albert_tf.data.echoes import draw_echoes
from albert_tf.data.masking_arrays import mask_rows
from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.preparation.examples import serialize_example
from albert_tf.data.preparation.settings import SPLITS, TRAIN, PreparationSettings
from albert_tf.data.sentence_order import SentenceBounds, draw_segments
from albert_tf.data.sentences import split_sentences
from albert_tf.text.plain_encoder import encoder_of
from albert_tf.text.vocabulary import read_vocabulary

BATCH_CHARACTERS = 1 << 22


class Rows(NamedTuple):
    """Some rows of one split.

    Args:
        keys: uint64 `(num_rows,)`, drawn by chance: rows are sorted by them, and a shard is a
            range of them.
        records: list of `Example` bytes.
        num_tokens: int64 `(num_rows,)`, special tokens included.
    """

    keys: np.ndarray
    records: list[bytes]
    num_tokens: np.ndarray


class RowMaker:
    """Makes rows of documents.

    Args:
        settings: see `PreparationSettings`.
        vocabulary: path or bytes of one, see `read_vocabulary`.
    """

    def __init__(self, settings: PreparationSettings, vocabulary):
        self._settings = settings
        self._law = settings.masking_law()
        model = read_vocabulary(vocabulary)
        self._encoder = encoder_of(model, settings.lowercase, settings.keep_accents)
        self._start_id, self._end_id = (model.ids[p] for p in model.special[:2])
        if settings.masking == "static" or settings.echoes:
            self._masking = MaskingVocabulary.of(model)

    def rows_of_task(
        self, task: Iterable[Piece], open_binary=None
    ) -> Iterator[tuple[dict[str, Rows], Counter]]:
        """Makes the rows of a task, some million characters at a time.

        Yields:
            Rows of each split, and counts: see `rows_of_documents`.
        """
        batch, size = [], 0
        for piece in task:
            for document in read_documents(piece, self._settings.field, open_binary):
                batch.append(document)
                size += sum(map(len, document.paragraphs))
                if size > BATCH_CHARACTERS:
                    yield self.rows_of_documents(batch)
                    batch, size = [], 0
        if batch:
            yield self.rows_of_documents(batch)

    def rows_of_documents(self, documents: list[Document]) -> tuple[dict[str, Rows], Counter]:
        """Makes the rows of some documents.

        Returns:
            Rows of each split that got any, and counts: `characters`, `sentences` and `tokens`
            of the text, `documents/<split>`, and of these `neighbours/<split>`, which have others
            beside them to take a random next segment from; with echoes, `echo_tokens`.
        """
        settings, counts, rows = self._settings, Counter(), {}
        for split in SPLITS:
            members = [d for d in documents if split_of(d.group, settings) == split]
            texts = [self._sentences(document) for document in members]
            members = [(d, s) for d, s in zip(members, texts, strict=True) if s]
            if not members:
                continue
            sentences = [sentence for _, texts in members for sentence in texts]
            ids, ends = self._encoder.encode(sentences)
            counts[f"documents/{split}"] += len(members)
            if len(members) > 1:
                counts[f"neighbours/{split}"] += len(members)
            counts["sentences"] += len(sentences)
            counts["characters"] += sum(map(len, sentences))
            counts["tokens"] += len(ids)
            lengths = np.diff(ends, prepend=0)
            bounds, first = [], 0
            for _, texts in members:
                last = first + len(texts)
                begin = int(ends[first - 1]) if first else 0
                bounds.append(SentenceBounds.of_lengths(lengths[first:last], begin))
                first = last
            # The figures of held-out rows stay comparable: these have no echoes.
            echoes = settings.echoes if split == TRAIN else 0.0
            names = [document.id for document, _ in members]
            rows[split] = self._rows(names, bounds, ids, echoes, counts)
        return {split: made for split, made in rows.items() if made.records}, counts

    def _sentences(self, document):
        if self._settings.sentences == "lines":
            lines = (line for text in document.paragraphs for line in text.splitlines())
            return [squeezed for line in lines if (squeezed := " ".join(line.split()))]
        return [s for paragraph in document.paragraphs for s in split_sentences(paragraph)]

    def _rows(self, ids_of_documents, bounds, ids, echoes, counts):
        settings = self._settings
        keys, spans, parts, num_ids = [], [], [ids], len(ids)
        for index, document_id in enumerate(ids_of_documents):
            for copy in range(settings.copies):
                rng = np.random.default_rng(hashed(settings.seed, "rows", copy, document_id))
                drawn = draw_segments(
                    bounds,
                    index,
                    rng,
                    sequence_length=settings.sequence_length,
                    objective=settings.objective,
                    single_sentence=settings.single_sentence,
                    short_prob=settings.short_prob,
                )
                keys.append(rng.integers(1 << 64, size=len(drawn), dtype=np.uint64))
                if echoes:
                    word_starts = self._masking.word_starts
                    drawn, more = draw_echoes(drawn, ids, num_ids, word_starts, echoes, rng)
                    parts.append(more)
                    num_ids += len(more)
                spans.append(drawn)
        if echoes:
            counts["echo_tokens"] += num_ids - len(ids)
            ids = np.concatenate(parts)
        return self._serialized(np.concatenate(keys), np.concatenate(spans), ids)

    def _serialized(self, keys, spans, ids):
        """Puts the special tokens in, masks if that is asked for, and writes the examples."""
        segment_lengths = spans[:, 1:4:2] - spans[:, 0:4:2]
        first_lengths = segment_lengths[:, 0] + 2
        is_pair = self._settings.objective != "none"
        lengths = first_lengths + (segment_lengths[:, 1] + 1 if is_pair else 0)
        begins = np.cumsum(lengths) - lengths
        token_ids = np.full(lengths.sum(), self._end_id, np.int32)
        token_ids[begins] = self._start_id
        places = np.stack([begins + 1, begins + first_lengths], axis=1)
        token_ids[_indices(places, segment_lengths)] = ids[
            _indices(spans[:, 0:4:2], segment_lengths)
        ]
        features = {
            "first_length": first_lengths[:, None].tolist(),
            "sentence_order_label": spans[:, 4:].tolist(),
        }
        if self._settings.masking == "static":
            hidden, picked, counts = mask_rows(
                token_ids, lengths, first_lengths, keys, self._masking, self._law
            )
            features["mask_positions"] = _split(picked - np.repeat(begins, counts), counts)
            features["mask_ids"] = _split(token_ids[picked], counts)
            token_ids = hidden
        features["token_ids"] = _split(token_ids, lengths)
        records = [
            serialize_example(dict(zip(features, values, strict=True)))
            for values in zip(*features.values(), strict=True)
        ]
        return Rows(keys, records, lengths)


def _indices(begins, lengths):
    """The indices of spans of these lengths, one behind the other."""
    lengths = lengths.ravel()
    offsets = begins.ravel() - np.cumsum(lengths) + lengths
    return np.arange(lengths.sum()) + np.repeat(offsets, lengths)


def _split(values, lengths):
    """Cuts an array into lists of these lengths."""
    values, bounds = values.tolist(), [0, *np.cumsum(lengths).tolist()]
    return [values[begin:end] for begin, end in zip(bounds[:-1], bounds[1:], strict=True)]


def split_of(group: str, settings: PreparationSettings) -> str:
    """Which split a book or document belongs to: a share of them, by a hash with the seed."""
    return SPLITS[held_out_chance(group, settings) < settings.held_out]


def held_out_chance(group: str, settings: PreparationSettings) -> float:
    """A number of 0 to 1 for each group; those below the share `held_out` are held out."""
    return (hashed(settings.seed, "held_out", group) >> 64) / 2**64


def hashed(*parts) -> int:
    """128 bits that depend on each part, the same on every machine."""
    text = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")


def shards_of(keys: np.ndarray, num_shards: int) -> np.ndarray:
    """Which shard each key belongs to: the range of keys is cut in equal parts."""
    return ((keys >> np.uint64(32)) * np.uint64(num_shards) >> np.uint64(32)).astype(np.int64)


def key_range(shard: int, num_shards: int) -> range:
    """The keys that belong to a shard: the inverse of `shards_of`."""
    low, high = (-(-(number << 32) // num_shards) << 32 for number in (shard, shard + 1))
    return range(low, high)
