"""The whole path in one command, offline: text, vocabulary, pretraining, task, export, serving."""

import dataclasses
import json
import time
from contextlib import contextmanager
from pathlib import Path

import keras
from rich.console import Console

from albert_tf.data.pretraining import MaskingVocabulary, pretraining_dataset, tokenize_documents
from albert_tf.exporting.saved_model import export_saved_model
from albert_tf.exporting.tflite import export_tflite
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
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
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.evaluation import evaluate, load_classifier, read_for_run
from albert_tf.training.finetune import fine_tune
from albert_tf.training.precision import dtype_policy
from albert_tf.training.pretrain import pretrain
from albert_tf.training.run_directory import RunDirectory
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
        parameters, held_out_scores = pretrain_model(corpus, out, scale, seed, record, show)
    accuracy = {"majority": majority_accuracy(corpus)}
    warnings = []
    for start in ("random_weights", "pretrained"):
        with stage(f"Fine-tuning from {start.replace('_', ' ')}"):
            accuracy[start], found = fine_tune_from(start, out, scale, seed, show)
            warnings += [f"Fine-tuning from {start.replace('_', ' ')}: {text}" for text in found]
            log_dev_curve(record, out / start, start)
    with stage("Exporting a SavedModel and a TFLite file"):
        sizes = export(out, scale, corpus.test.texts[:8])
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
        parameters=parameters,
        pretraining=held_out_scores,
        accuracy=accuracy,
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


def pretrain_model(corpus, out, scale, seed, record, show) -> tuple[int, dict[str, float]]:
    """Pretrains on the corpus and saves the preset `pretrained_model/`.

    Returns:
        The number of parameters, and the measurements on the held-out documents.
    """
    tokenizer = AlbertTokenizer(out / "vocabulary.model")
    vocabulary = MaskingVocabulary.from_tokenizer(tokenizer)

    def batches(documents, num_epochs):
        return pretraining_dataset(
            tokenize_documents(documents, tokenizer),
            vocabulary,
            batch_size=scale.pretrain_batch_size,
            num_epochs=num_epochs,
            seed=seed,
            sequence_length=scale.sequence_length,
            max_predictions=round(0.15 * scale.sequence_length),
        )

    def log(split, step, **values):
        record.log(split, step, **{name: values[name] for name in CURVES})

    keras.utils.set_random_seed(seed)
    dtype = dtype_policy(scale.resolved_precision)
    model = AlbertPretrainer(AlbertBackbone(scale.config(), dtype=dtype))
    measured = pretrain(
        model,
        batches(corpus.documents, scale.pretrain_epochs),
        batches(corpus.held_out, 1),
        learning_rate=scale.pretrain_learning_rate,
        warmup_fraction=0.06,
        jit_compile=dtype == "float32",
        log=log,
        show=show,
    )
    model.save_to_preset(out / "pretrained_model")
    return model.count_params(), measured["dev"]


def fine_tune_from(start, out, scale, seed, show) -> tuple[float, list[str]]:
    """Fine-tunes into the run directory `<out>/<start>/`, in all else the same for both starts.

    Args:
        start: `pretrained` or `random_weights`.

    Returns:
        Accuracy on the test examples, and the warnings of the run.
    """
    weights = {"config": scale.config().to_dict()}
    if start == "pretrained":
        weights = {"from_": str(out / "pretrained_model")}
    settings = FineTuneSettings(
        **weights,
        out=out / start,
        train=out / "data" / "train.jsonl",
        dev=out / "data" / "dev.jsonl",
        vocab=out / "vocabulary.model",
        sequence_length=scale.sequence_length,
        epochs=scale.finetune_epochs,
        learning_rate=scale.finetune_learning_rate,
        metrics=("accuracy",),
        precision=scale.resolved_precision,
        seed=seed,
    )
    summary = fine_tune(settings, show=show)
    model = load_classifier(settings.out, scale.resolved_precision)
    test = read_for_run(model, settings.out, out / "data" / "test.jsonl")
    scores, _ = evaluate(model, test, ("accuracy",))
    return scores["accuracy"], summary["warnings"]


def log_dev_curve(record: RunDirectory, run: Path, start: str):
    """Takes the accuracies that a fine-tuning logged over into the record of the whole run."""
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["split"] == "dev":
            record.log(start, row["step"], fine_tuning_accuracy=row["accuracy"])


def export(out: Path, scale: Scale, texts: list[str]) -> dict[str, int]:
    """Writes `served/docstrings/1/` and `docstrings.tflite`, and returns their sizes in bytes."""
    model = load_classifier(out / "pretrained")
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
