"""What came out of the quickstart, for people."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from albert_tf.quickstart.scale import Scale
from albert_tf.staging import new_file

SERVED_NAME = "docstrings"


@dataclass(frozen=True)
class QuickstartResult:
    """What came out; `summary.json` holds the same.

    Args:
        out: the run directory.
        classes: the packages to tell apart.
        corpus: number of `documents`, `sentences`, `words`, `train_examples`, `test_examples`.
        parameters: of the pretrained model, heads included.
        pretraining: measurements on held-out text (see `pretrain`).
        accuracy: share of right answers on the test descriptions: `majority` (the largest class),
            `random_weights`, `pretrained` (on these docstrings), and the model that comes with
            the package, by its name.
        exported: the start whose fine-tuning was best on dev, and is exported and served.
        bytes: size of the exports: `saved_model`, `tflite`.
        answers: what the server said: `text`, `package` (true), `answer`, `probability`.
        seconds: stage -> time.
        warnings: what speaks against a result.
    """

    out: str
    classes: list[str]
    corpus: dict[str, int]
    parameters: int
    pretraining: dict[str, float]
    accuracy: dict[str, float]
    exported: str
    bytes: dict[str, int]
    answers: list[dict]
    seconds: dict[str, float]
    warnings: list[str]


def print_answers(result: QuickstartResult):
    """Shows what the server said, and what it was worth."""
    table = Table("a held-out description", "it is from", "the server says", title="Over gRPC")
    for row in result.answers:
        text = row["text"] if len(row["text"]) < 120 else row["text"][:117] + "..."
        table.add_row(text, row["package"], f"{row['answer']} ({row['probability']:.0%})")
    console = Console()
    console.print(table)
    for name, share in result.accuracy.items():
        console.print(f"{share:7.1%} right: {name.replace('_', ' ')}", highlight=False)
    for warning in result.warnings:
        console.print(f"WARNING: {warning}")
    console.print(f"Everything is in {result.out}; begin with {Path(result.out) / 'report.md'}.")


def write_report(result: QuickstartResult, scale: Scale):
    """Writes `report.md`: what was done, the numbers, and what they are worth."""
    accuracy, counts, pretraining = result.accuracy, result.corpus, result.pretraining
    gains = {
        start: f"{100 * (accuracy[start] - accuracy['random_weights']):+.1f}"
        for start in ("pretrained", scale.shipped)
    }
    answers = "\n".join(
        f"| {row['text'][:100].replace('|', ' ')} | {row['package']} | {row['answer']} "
        f"({row['probability']:.0%}) |"
        for row in result.answers
    )
    times = "\n".join(f"| {title} | {value:.1f} |" for title, value in result.seconds.items())
    warnings = "".join(f"\n**Warning.** {warning}\n" for warning in result.warnings)
    text = f"""# Quickstart

An ALBERT of {result.parameters:,} parameters was made on this machine from {counts["words"]:,}
words of docstrings ({counts["documents"]:,} source files, {counts["sentences"]:,} sentences). Then
it was taught with {counts["train_examples"]:,} labelled descriptions in {scale.finetune_epochs}
passes to tell which of {len(result.classes)} packages a description comes from
({", ".join(result.classes)}), and beside it the same model from random weights, and
`{scale.shipped}`, which comes with the package and was pretrained on books.

| on {counts["test_examples"]:,} test descriptions | accuracy |
| --- | --- |
| always the most frequent class | {accuracy["majority"]:.1%} |
| fine-tuned from random weights | {accuracy["random_weights"]:.1%} |
| fine-tuned from the model pretrained here | {accuracy["pretrained"]:.1%} |
| fine-tuned from `{scale.shipped}` | {accuracy[scale.shipped]:.1%} |

Pretraining here, a minute or two of it, changes the accuracy by {gains["pretrained"]} points: the
same shape, examples, passes and seed. `{scale.shipped}`, wider and with a vocabulary of its own, is
{gains[scale.shipped]} points from random weights. The best on the dev descriptions, from
{result.exported.replace("_", " ")}, is exported and served.
{warnings}
On held-out text the model pretrained here fills in
{pretraining["masked_lm_accuracy"]:.1%} of the masked words (loss
{pretraining["masked_lm_loss"]:.2f}) and sees in {pretraining["sentence_order_accuracy"]:.1%} of the
cases whether two segments were swapped.

![learning curves](learning_curve.png)

The test descriptions come from source files that neither pretraining nor fine-tuning saw. Names
of packages and their abbreviations are deleted from all texts, descriptions that start alike count
once, and sentences that many share are left out. Few labels and few passes are where pretraining
shows most; with more of both the gap closes. The model pretrained here, small and trained
briefly, is a demonstration and no model to build on.

## What the server answered over gRPC

| description | package | answer |
| --- | --- | --- |
{answers}

## Where the time went

| stage | seconds |
| --- | --- |
{times}

## What is here

| | |
| --- | --- |
| `data/` | `corpus.txt`, and the labelled descriptions |
| `vocabulary.model` | SentencePiece, {scale.vocab_size:,} pieces |
| `records/`, `pretraining/` | rows of pretraining, and its run with the model as a preset |
| `random_weights/`, `pretrained/`, `{scale.shipped}/` | the fine-tuning runs |
| `served/{SERVED_NAME}/` | SavedModel for TF Serving, {result.bytes["saved_model"] / 1e6:.1f} MB |
| `{SERVED_NAME}.tflite` | for phones, 8-bit weights, {result.bytes["tflite"] / 1e6:.1f} MB |

`albert-tf serve --model {SERVED_NAME}={result.out}/served/{SERVED_NAME}` serves it again.
"""
    with new_file(Path(result.out) / "report.md") as staged:
        staged.write_text(text, encoding="utf-8")
