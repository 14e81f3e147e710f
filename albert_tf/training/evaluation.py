"""A finished run on other data: loading its model, scoring it."""

import json
from pathlib import Path

from albert_tf.data.glue import read_glue
from albert_tf.data.tables import Examples, read_examples
from albert_tf.metrics import check_metrics
from albert_tf.tasks.text_classifier import AlbertTextClassifier
from albert_tf.training.answers import predict_logits, problem_of, score_logits
from albert_tf.training.batches import token_counts
from albert_tf.training.precision import dtype_policy

COLUMNS = ("text", "text_pair", "label", "separator", "header")


def model_folder(run) -> Path:
    """The `model/` of a run directory; any other path as it is."""
    run = Path(run)
    return run / "model" if (run / "model").is_dir() else run


def reads_pairs(run) -> bool:
    """Whether a run was trained on pairs of texts; False where nothing tells."""
    path = Path(run) / "summary.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["pairs"]


def load_classifier(run, precision="float32") -> AlbertTextClassifier:
    """Loads the model of a run directory, or of a preset directory.

    Args:
        run: what `albert-tf finetune` wrote, or the `model/` in it.
        precision: as in `FineTuneSettings`; the weights are float32 in any case.

    Raises:
        FileNotFoundError: there is no model.
    """
    folder = model_folder(run)
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"There is no trained model in {run}. Name a directory that `albert-tf finetune` wrote."
        )
    return AlbertTextClassifier.from_preset(str(folder), dtype=dtype_policy(precision))


def run_settings(run) -> dict:
    """The saved settings of a run; empty for a bare preset."""
    path = Path(run) / "settings.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def read_for_run(model, run, data=None, glue=None, **columns) -> Examples:
    """Reads labelled examples by the classes of a trained model.

    Args:
        model: from `load_classifier`.
        run: its directory, whose settings tell the columns that `columns` leaves open.
        data: a file; None for the dev rows that the run was evaluated on.
        glue: folder of the GLUE files, if it is another one than in the run.
        **columns: `text`, `text_pair`, `label`, `separator`, `header`, or None for each.

    Raises:
        ValueError: without `data`, the run knows no dev file either; or what `read_examples`
            refuses, a label that training never saw among it.
    """
    settings = run_settings(run)
    if data is None and settings.get("task"):
        return read_glue(settings["task"], "dev", glue or settings["glue"])
    data = data or settings.get("dev")
    if data is None:
        raise ValueError(f"{run} names no dev file of its own. Name one with --data.")
    known = {key: settings[key] for key in COLUMNS if key in settings}
    chosen = known | {key: value for key, value in columns.items() if value is not None}
    problem = problem_of(model)
    names = model.class_names or [str(i) for i in range(model.num_classes)]
    if problem == "regression":
        names = None
    return read_examples(data, problem=problem, class_names=names, **chosen)


def evaluate(model, examples, metrics=(), batch_size=64):
    """Scores a classifier.

    Args:
        model: `AlbertTextClassifier` with a preprocessor.
        examples: `Examples` with labels.
        metrics: names in `albert_tf.metrics`; empty for the usual ones.
        batch_size: examples a batch.

    Returns:
        (scores, logits): name -> number, with `loss`, `examples` and `examples_cut` (longer than
        the model reads) among them; float32 array `(num_examples, num_classes)`.
    """
    problem = problem_of(model)
    names = check_metrics(metrics, problem)
    lengths = token_counts(examples, model.preprocessor.tokenizer)
    logits = predict_logits(model, examples, lengths, batch_size)
    sizes = {
        "examples": len(examples),
        "examples_cut": int((lengths > model.preprocessor.sequence_length).sum()),
    }
    return sizes | score_logits(problem, names, examples.labels, logits), logits
