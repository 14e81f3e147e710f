"""The whole path in one command, offline: text, vocabulary, pretraining, task, export, serving."""

import dataclasses
import time
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from albert_tf.data.preparation.run import prepare
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.tflite import export_tflite
from albert_tf.quickstart.corpus import gather, majority_accuracy, write_corpus
from albert_tf.quickstart.report import (
    SERVED_NAME,
    QuickstartResult,
    print_answers,
    write_report,
)
from albert_tf.quickstart.scale import Scale
from albert_tf.serving.client import Client
from albert_tf.serving.server import running_server
from albert_tf.training.evaluation import load_run
from albert_tf.training.finetune import fine_tune
from albert_tf.training.pretraining.run import pretrain
from albert_tf.training.pretraining.settings import PretrainSettings
from albert_tf.training.run_directory import RunDirectory
from albert_tf.training.run_files import rows_of
from albert_tf.training.settings import FineTuneSettings
from albert_tf.training.vocabulary import train_vocabulary

CURVES = ("masked_lm_loss", "masked_lm_accuracy", "sentence_order_accuracy")


def run(
    out: str | Path, seed: int = 0, scale: Scale | None = None, show: bool = True
) -> QuickstartResult:
    """Runs everything and leaves it in one directory; begin with its `report.md`.

    Args:
        out: new directory.
        seed: of all chance.
        scale: how much of everything.
        show: whether to draw progress on stderr and the answers on stdout.

    Raises:
        FileExistsError: `out` exists and is not an empty directory.
        ValueError: the installed packages hold too little text for `scale`.
    """
    out, scale = Path(out), scale or Scale()
    console, seconds = Console(stderr=True, quiet=not show), {}
    record = RunDirectory(out, dataclasses.asdict(scale), seed)

    @contextmanager
    def stage(title):
        console.rule(f"[bold]{title}", align="left")
        started = time.monotonic()
        yield
        seconds[title] = round(time.monotonic() - started, 1)

    with stage("Reading the docstrings of installed packages"):
        corpus = gather(scale, seed, console)
        write_corpus(corpus, out / "data")
    with stage("Training a vocabulary"):
        sentences = (sentence for document in corpus.documents for sentence in document)
        train_vocabulary(sentences, out / "vocabulary.model", scale.vocab_size)
    with stage("Pretraining on masked words and sentence order"):
        pretraining = pretrain_model(out, scale, seed, show)
        for row in rows_of(out / "pretraining"):
            record.log(row["split"], row["step"], **{name: row[name] for name in CURVES})
    accuracy, on_dev = {"majority": majority_accuracy(corpus)}, {}
    warnings = []
    for start in ("random_weights", "pretrained", scale.shipped):
        with stage(f"Fine-tuning from {start.replace('_', ' ')}"):
            accuracy[start], on_dev[start], found = fine_tune_from(start, out, scale, seed, show)
            warnings += [f"Fine-tuning from {start.replace('_', ' ')}: {text}" for text in found]
            for row in rows_of(out / start, "dev"):
                record.log(start, row["step"], fine_tuning_accuracy=row["accuracy"])
    best = max(on_dev, key=on_dev.get)
    with stage(f"Exporting the best on dev, that from {best.replace('_', ' ')}"):
        sizes = export(out / best, out, scale, corpus.test.texts[:8])
    with stage("Serving it, and asking it over gRPC"):
        asked = corpus.test.take(slice(scale.num_asked))
        names = [asked.class_names[label] for label in asked.labels]
        answers = ask(out, asked.texts, names)
    counts = {
        "documents": len(corpus.documents),
        "sentences": sum(map(len, corpus.documents)),
        "words": sum(len(text.split()) for document in corpus.documents for text in document),
        "train_examples": len(corpus.train),
        "test_examples": len(corpus.test),
    }
    result = QuickstartResult(
        out=str(out),
        classes=list(corpus.test.class_names),
        corpus=counts,
        parameters=pretraining["parameters"],
        pretraining=pretraining["held_out"],
        accuracy=accuracy,
        exported=best,
        bytes=sizes,
        answers=answers,
        seconds=seconds,
        warnings=warnings,
    )
    record.finish(dataclasses.asdict(result))
    write_report(result, scale)
    if show:
        print_answers(result)
    return result


def pretrain_model(out: Path, scale: Scale, seed: int, show: bool) -> dict:
    """Prepares records of the corpus in `records/`, and pretrains on them in `pretraining/`.

    Returns:
        The summary of the run: `parameters`, and measurements on text that was kept out.
    """
    how = PreparationSettings(
        sequence_length=scale.pretrain_length,
        held_out=0.05,
        shards=2,
        format="blank-line",
        sentences="lines",
        seed=seed,
    )
    prepare([out / "data" / "corpus.txt"], out / "vocabulary.model", out / "records", how)
    settings = PretrainSettings(
        records=out / "records",
        out=out / "pretraining",
        config=scale.config().to_dict(),
        steps=scale.pretrain_steps,
        batch_size=scale.pretrain_batch_size,
        max_predictions=max(1, round(0.15 * scale.pretrain_length)),
        optimizer="adamw",
        learning_rate=scale.pretrain_learning_rate,
        beta_2=0.98,
        warmup_steps=scale.pretrain_steps // 16,
        precision=scale.resolved_precision,
        jit_compile=scale.resolved_precision == "float32",
        seed=seed,
    )
    return pretrain(settings, show=show)


def fine_tune_from(start, out, scale, seed, show) -> tuple[float, float, list[str]]:
    """Fine-tunes into the run directory `<out>/<start>/`, on the same examples for every start.

    Args:
        start: `random_weights`; `pretrained`, the model of this run; or the name of one that
            comes with the package, with a vocabulary of its own.

    Returns:
        Accuracy on the test examples and on those of dev, and the warnings of the run.
    """
    weights, precision = {"from_": start}, scale.precision
    learning_rate = scale.shipped_learning_rate
    if start == "random_weights":
        weights = {"config": scale.config().to_dict(), "vocab": out / "vocabulary.model"}
    elif start == "pretrained":
        weights = {"from_": str(out / "pretraining" / "model")}
    if start != scale.shipped:
        precision, learning_rate = scale.resolved_precision, scale.finetune_learning_rate
    settings = FineTuneSettings(
        **weights,
        out=out / start,
        train=out / "data" / "train.jsonl",
        dev=out / "data" / "dev.jsonl",
        sequence_length=scale.sequence_length,
        epochs=scale.finetune_epochs,
        learning_rate=learning_rate,
        metrics=("accuracy",),
        precision=precision,
        seed=seed,
    )
    summary = fine_tune(settings, show=show)
    trained = load_run(settings.out, precision)
    test = trained.read(out / "data" / "test.jsonl")
    scores, _ = trained.job.evaluate(trained.model, test)
    return scores["accuracy"], summary["dev"]["accuracy"], summary["warnings"]


def export(tuned: Path, out: Path, scale: Scale, texts: list[str]) -> dict[str, int]:
    """Writes `served/docstrings/1/` and `docstrings.tflite`, and returns their sizes in bytes."""
    model = load_run(tuned).model
    version = export_saved_model(model, out / "served" / SERVED_NAME, texts=texts)
    tflite = export_tflite(
        model, out / f"{SERVED_NAME}.tflite", "dynamic", seq_len=scale.sequence_length
    )
    saved_model_bytes = sum(file.stat().st_size for file in version.rglob("*") if file.is_file())
    return {"saved_model": saved_model_bytes, "tflite": tflite.stat().st_size}


def ask(out: Path, texts: list[str], packages: list[str]) -> list[dict]:
    """Serves the export on a free port of this machine and asks it over gRPC.

    Returns:
        One dict a text: `text`, `package` (the true one), `answer` and its `probability`.
    """
    with (
        running_server({SERVED_NAME: out / "served" / SERVED_NAME}) as address,
        Client(address) as client,
    ):
        reply = client.predict(SERVED_NAME, {"text": texts})
    best = reply["probabilities"].max(axis=-1)
    rows = zip(texts, packages, reply["label"], best, strict=True)
    return [
        {"text": text, "package": package, "answer": str(answer), "probability": float(share)}
        for text, package, answer, share in rows
    ]
