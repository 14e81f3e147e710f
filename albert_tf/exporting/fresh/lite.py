"""Runs TFLite files as a phone does: with the light runtime and NumPy, and without TensorFlow.

As a script, `python lite.py FOLDER`, it reads FOLDER/questions, a dictionary of `path`, and
`calls`: key -> (signature, name of an input -> array); and `with_text_ops`, whether the file needs
the ops of tensorflow-text, which bring TensorFlow along. It writes FOLDER/report.
"""

import pickle
import sys
from pathlib import Path


def interpreter_of(path, with_text_ops=False):
    """An interpreter for the file."""
    from ai_edge_litert import interpreter

    if not with_text_ops:
        return interpreter.Interpreter(model_path=str(path))
    from tensorflow_text.core.pybinds import tflite_registrar

    return interpreter.InterpreterWithCustomOps(
        model_path=str(path), custom_op_registerers=tflite_registrar.SELECT_TFTEXT_OPS
    )


def answer(path, calls, with_text_ops=False):
    """key -> name of an output -> array."""
    interpreter = interpreter_of(path, with_text_ops)
    runners = {}
    answers = {}
    for key, (signature, inputs) in calls.items():
        if signature not in runners:
            runners[signature] = interpreter.get_signature_runner(signature)
        answers[key] = {name: value.copy() for name, value in runners[signature](**inputs).items()}
    return answers


def main(folder):
    questions = pickle.loads((folder / "questions").read_bytes())
    answers = answer(**questions)
    report = {"answers": answers, "modules": sorted(sys.modules)}
    (folder / "report").write_bytes(pickle.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
