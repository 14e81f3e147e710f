"""All verbs of `albert-tf`, in the order of `--help`."""

from albert_tf.verbs.adapting import Extend
from albert_tf.verbs.benchmark import Benchmark
from albert_tf.verbs.pretrain import Pretrain
from albert_tf.verbs.pretraining import Prepare, Vocab
from albert_tf.verbs.searching import Search
from albert_tf.verbs.serving import Serve
from albert_tf.verbs.shipping import Convert, Export
from albert_tf.verbs.training import Evaluate, Finetune, Predict, Quickstart

VERBS = {
    "quickstart": Quickstart,
    "vocab": Vocab,
    "extend": Extend,
    "prepare": Prepare,
    "pretrain": Pretrain,
    "finetune": Finetune,
    "evaluate": Evaluate,
    "predict": Predict,
    "search": Search,
    "convert": Convert,
    "export": Export,
    "serve": Serve,
    "benchmark": Benchmark,
}
