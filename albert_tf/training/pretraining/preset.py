"""The preset at the end of a run: the model with its vocabulary, which every task starts from."""

import json
import shutil

from albert_tf.data.record_set import VOCABULARY_FILE
from albert_tf.staging import new_directory

STYLE = ("lowercase", "keep_accents")


def save_preset(model, records, path):
    """Writes a preset; one that is there already is replaced.

    The tokenizer is written without TensorFlow, which it needs to run, so that training on JAX
    ends with the same files: `AlbertTokenizer.save_to_preset` would write these.

    Args:
        model: `AlbertPretrainer`.
        records: `RecordSet` that it was trained on.
        path: directory.
    """
    model.backbone.encoder.recompute = False  # of this training, not of the model
    shutil.rmtree(path, ignore_errors=True)
    with new_directory(path) as staged:
        model.save_to_preset(str(staged))
        assets = staged / "assets" / "tokenizer"
        assets.mkdir(parents=True)
        shutil.copyfile(records.directory / VOCABULARY_FILE, assets / "vocabulary.spm")
        style = {name: records.settings[name] for name in STYLE}
        content = json.dumps(_tokenizer_file(style), indent=4)
        (staged / "tokenizer.json").write_text(content, encoding="utf-8")


def _tokenizer_file(style):
    dtype = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "int32"},
        "registered_name": None,
    }
    config = {
        "name": "albert_tokenizer",
        "trainable": True,
        "dtype": dtype,
        "config_file": "tokenizer.json",
        "proto": None,
    }
    return {
        "module": "albert_tf.tokenizer",
        "class_name": "AlbertTokenizer",
        "config": config | style,
        "registered_name": "albert_tf>AlbertTokenizer",
    }
