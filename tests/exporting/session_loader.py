"""Answers questions to SavedModels as TF Serving would: run by `fresh_process` in its own process.

Only TensorFlow and the op libraries of tensorflow-text are loaded, through TensorFlow 1's session
loader. Reads `questions`, directory -> key -> (signature, feeds); writes `report`.
"""

import importlib.util
import pickle
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry


def op_types(directory):
    """All ops of a SavedModel, those in functions too."""
    saved = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return {node.op for node in nodes} - {f.signature.name for f in graph.library.function}


def answer(directory, questions):
    """key -> outputs of the signature, a dictionary of arrays."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(directory))
        answers = {}
        for key, (name, feeds) in questions.items():
            signature = loaded.signature_def[name]
            fetches = {output: info.name for output, info in signature.outputs.items()}
            feeds = {signature.inputs[k].name: value for k, value in feeds.items()}
            answers[key] = session.run(fetches, feeds)
    return answers


def main(folder):
    questions = pickle.loads((folder / "questions").read_bytes())
    ops = set().union(*(op_types(Path(directory)) for directory in questions))
    unknown = {op for op in ops if op_def_registry.get(op) is None}
    package = Path(importlib.util.find_spec("tensorflow_text").origin).parent
    for library in sorted((package / "python" / "ops").glob("*.so")):
        tf.load_op_library(str(library))
    answers = {}
    for directory, asked in questions.items():
        answers |= answer(Path(directory), asked)
    (folder / "report").write_bytes(pickle.dumps((answers, sorted(sys.modules), unknown)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
