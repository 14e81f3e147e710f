"""All verbs of `albert-tf`, in the order of `--help`."""

from albert_tf.verbs.shipping import Convert, Export, Serve
from albert_tf.verbs.training import Evaluate, Finetune, Predict, Quickstart, Vocab

VERBS = {
    "quickstart": Quickstart,
    "vocab": Vocab,
    "finetune": Finetune,
    "evaluate": Evaluate,
    "predict": Predict,
    "convert": Convert,
    "export": Export,
    "serve": Serve,
}
