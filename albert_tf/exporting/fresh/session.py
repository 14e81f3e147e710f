"""Runs SavedModels as TF Serving does, and knows nothing of this package.

As a script, `python session.py FOLDER`, it is a process of its own with TensorFlow and the op
libraries of tensorflow-text, nothing more: it reads FOLDER/questions and writes FOLDER/report.
"""

import importlib.util
import pickle
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry
from tensorflow.python.util import deprecation


def meta_graph(directory):
    """The graph and the signatures of a version directory."""
    saved = SavedModel.FromString((Path(directory) / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


def op_types(directory):
    """All ops of a SavedModel, those in functions too."""
    graph = meta_graph(directory).graph_def
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    return {node.op for node in nodes} - {f.signature.name for f in graph.library.function}


def answer(directory, questions):
    """Asks a SavedModel, loaded by TensorFlow 1's session loader: the C++ code of TF Serving.

    Args:
        directory: of the version.
        questions: key -> (signature, name of an input -> array).

    Returns:
        (answers, dtypes): key -> name of an output -> array, empty for a signature that is not
        there; and the names of the dtypes of the variables.
    """
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        with deprecation.silence():
            loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(directory))
        handles = [op for op in graph.get_operations() if op.type == "VarHandleOp"]
        answers = {}
        for key, (name, feeds) in questions.items():
            if name not in loaded.signature_def:
                answers[key] = {}
                continue
            signature = loaded.signature_def[name]
            fetches = {output: info.name for output, info in signature.outputs.items()}
            feeds = {signature.inputs[k].name: value for k, value in feeds.items()}
            answers[key] = session.run(fetches, feeds)
    return answers, {handle.get_attr("dtype").name for handle in handles}


def main(folder):
    questions = pickle.loads((folder / "questions").read_bytes())
    ops = set().union(*map(op_types, questions))
    unknown = {op for op in ops if op_def_registry.get(op) is None}
    package = Path(importlib.util.find_spec("tensorflow_text").origin).parent
    for library in sorted((package / "python" / "ops").glob("*.so")):
        tf.load_op_library(str(library))
    answers = {directory: answer(directory, asked) for directory, asked in questions.items()}
    report = {"answers": answers, "modules": sorted(sys.modules), "unknown_ops": unknown}
    (folder / "report").write_bytes(pickle.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
