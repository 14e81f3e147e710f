"""The manifest of prepared records: what they are, how they were made, and how much there is."""

import hashlib

from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.text.sentencepiece_model import SentencePieceModel
from albert_tf.text.wordpiece_model import WordPieceModel

FORMAT_VERSION = 1
MANIFEST = "manifest.json"


def build_manifest(
    settings: PreparationSettings,
    vocabulary: SentencePieceModel | WordPieceModel,
    counts: dict,
    entries: dict,
) -> dict:
    """Puts the manifest together.

    Args:
        settings: of the preparation.
        vocabulary: whose ids the records hold.
        counts: of the text, summed over all documents.
        entries: for each split, those of its shards in order.
    """
    splits = {}
    for split in SPLITS:
        shards = entries.get(split, [])
        if shards:
            splits[split] = {
                "rows": sum(shard["rows"] for shard in shards),
                "tokens": sum(shard["tokens"] for shard in shards),
                "documents": counts.get(f"documents/{split}", 0),
                "shards": shards,
            }
    return {
        "format_version": FORMAT_VERSION,
        "settings": settings.as_dict(),
        "vocabulary": {
            "file": vocabulary.file_name,
            "sha256": hashlib.sha256(vocabulary.proto).hexdigest(),
            "size": len(vocabulary.pieces),
        },
        "text": {name: counts.get(name, 0) for name in ("characters", "sentences", "tokens")},
        "splits": splits,
    }
