"""The preset at the end of a run: the model with its vocabulary, which every task starts from."""

import json
import shutil

from albert_tf.staging import new_directory
from albert_tf.text.vocabulary import read_vocabulary

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
        file = read_vocabulary(records.vocabulary_file).preset_file
        shutil.copyfile(records.vocabulary_file, assets / file)
        style = {name: records.settings[name] for name in STYLE}
        content = json.dumps(_tokenizer_file({"vocabulary_file": file} | style), indent=4)
        (staged / "tokenizer.json").write_text(content, encoding="utf-8")


def _tokenizer_file(settings):
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
        "config": config | settings,
        "registered_name": "albert_tf>AlbertTokenizer",
    }
