"""The model that `serving.py` and `soak.py` serve, and what it is asked about."""

import dataclasses
import json

import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.data import docstrings

TINY = AlbertConfig(
    vocab_size=2000,
    embedding_size=32,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
)


def sentences(path, packages, limit, seed):
    """Lines of a file, or sentences of the packages' docstrings; shuffled."""
    if path is not None:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    else:
        found = [text for package in packages for text in docstrings.read_package(package)]
        kept = docstrings.drop_repeats(found)
        lines = [sentence for document in docstrings.documents(kept) for sentence in document]
    np.random.default_rng(seed).shuffle(lines)
    if len(lines) < 100:
        raise SystemExit(f"at least 100 sentences are needed: got {len(lines)}.")
    return lines[:limit]


def write_model(folder, config, lines, vocabulary, dtype):
    """Exports the classifier for our servers, and in Hugging Face's form for the peer."""
    import keras

    from albert_tf.exporting.saved_model import export_saved_model
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.saving import save_checkpoint
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
    from albert_tf.tokenizer import AlbertTokenizer
    from albert_tf.training.vocabulary import train_vocabulary

    if vocabulary is None:
        vocabulary = train_vocabulary(lines, folder / "vocabulary.model", 2000)
    tokenizer = AlbertTokenizer(proto=str(vocabulary))
    config = dataclasses.replace(config, vocab_size=tokenizer.vocabulary_size())
    keras.utils.set_random_seed(0)
    preprocessor = AlbertTextClassifierPreprocessor(tokenizer, sequence_length=512)
    model = AlbertTextClassifier(AlbertBackbone(config), 2, preprocessor)
    export_saved_model(model, folder / "served", dtype=dtype)
    save_checkpoint(model, folder / "hf", "hf")
    write_fast_tokenizer(vocabulary, folder / "hf" / "tokenizer.json")


def write_fast_tokenizer(vocabulary, path):
    """The vocabulary as the `tokenizers` package reads it, which runs beside torch."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    size = pieces.get_piece_size()
    special = {
        name: pieces.piece_to_id(name) for name in ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    }
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    frame = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    frame.append({"SpecialToken": {"id": "[SEP]", "type_id": 0}})
    document = {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": name, "special": True} | flags
            for name, number in sorted(special.items(), key=lambda item: item[1])
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Replace", "pattern": {"Regex": "``|''"}, "content": '"'},
                {"type": "NFKD"},
                {"type": "StripAccents"},
                {"type": "Lowercase"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": True},
            ],
        },
        "pre_tokenizer": space,
        "decoder": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": frame,
            "pair": frame,
            "special_tokens": {
                name: {"id": name, "ids": [special[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "model": {
            "type": "Unigram",
            "unk_id": special["<unk>"],
            "byte_fallback": False,
            "vocab": [[pieces.id_to_piece(i), pieces.get_score(i)] for i in range(size)],
        },
    }
    path.write_text(json.dumps(document), encoding="utf-8")
