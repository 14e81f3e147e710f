"""What each TFLite format costs a trained model: metric, size, latency, memory.

    python benchmarks/mobile_quality.py --out DIR RUN [RUN ...]

Each RUN is what `albert-tf finetune` wrote for a task of texts, pairs or questions (SST-2, MRPC,
SQuAD, ...). It is exported in each format, and the run and every file are scored on the run's dev
data by the task's own metric; `--limit` takes the first so many examples of it. int8 measures its
ranges on the first examples of the same kind (`--calibration` of them, behind those that are
scored). Time and memory are those of `tflite_call.py`, in processes of their own. The table goes
to DIR/mobile_quality.md, the numbers to DIR/mobile_quality.json. Linux only.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

CALL = Path(__file__).with_name("tflite_call.py")


def columns_of(examples, inputs):
    """The texts of examples under the names that an export has for them."""
    names = {
        "text": "texts",
        "text_pair": "text_pairs",
        "question": "questions",
        "context": "contexts",
    }
    missing = [name for name in inputs if not hasattr(examples, names.get(name, ""))]
    if missing:
        raise ValueError(f"Texts, pairs and questions are measured: got a task of {inputs}.")
    return {name: list(getattr(examples, names[name])) for name in inputs}


def scored(job, model, examples):
    """The number that picks the best weights, and its name."""
    scores, _ = job.evaluate(model, examples)
    name = next(name for name in scores if job.larger_is_better(name))
    return name, float(scores[name])


def called(path, seq_len, vocab_size, options):
    """Medians over processes."""
    asked = {"runtime": "interpreter", "path": str(path), "seq_len": seq_len}
    asked |= {"calls": options.calls, "threads": options.threads, "vocab_size": vocab_size}
    runs = []
    for _ in range(options.rounds):
        command = [sys.executable, str(CALL), json.dumps(asked)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def rows_of(run, options):
    """A row for the run, and one for each format."""
    import numpy as np

    from albert_tf.exporting.answers.base import AnswerOptions
    from albert_tf.exporting.mobile.accuracy import stand_in
    from albert_tf.exporting.tasks import answers_of
    from albert_tf.exporting.tflite import TFLiteSizes, export_tflite
    from albert_tf.training.evaluation import load_run

    trained = load_run(run)
    job, model = trained.job, trained.model
    examples = trained.read()
    number = min(len(examples), options.limit or len(examples))
    order = np.arange(len(examples))
    dev = examples.take(order[:number])
    # Behind those that are scored, where there are any left.
    rest = order[number:] if len(order) - number >= options.calibration else order[::-1]
    pair = getattr(examples, "text_pairs", None) is not None
    inputs = answers_of(model, AnswerOptions(pair=pair)).text_inputs
    texts = columns_of(examples.take(rest[: options.calibration]), inputs)
    seq_len = model.preprocessor.sequence_length
    sizes = TFLiteSizes(batch_size=1, seq_len=seq_len)
    name, before = scored(job, model, dev)
    task = trained.settings.get("task", Path(run).name)
    common = {"task": task, "metric": name, "examples": number, "seq_len": seq_len}
    yield common | {"format": "Keras, float32", "score": before}
    for quantization in options.formats:
        path = options.out / f"{Path(run).name}_{quantization}.tflite"
        path.unlink(missing_ok=True)
        export_tflite(model, path, quantization, seq_len, pair=pair, texts=texts)
        _, score = scored(job, stand_in(model, path, sizes), dev)
        costs = called(path, seq_len, model.backbone.albert_config.vocab_size, options)
        size = path.stat().st_size / 1e6
        yield common | {"format": quantization, "score": score, "size_mb": size} | costs


def table_of(rows):
    lines = [
        "| task | format | metric | score | file MB | CPU ms | wall ms | added MB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        names = ("size_mb", "cpu_ms", "wall_ms", "peak_mb")
        costs = " | ".join(f"{row[name]:.2f}" if name in row else "" for name in names)
        task = f"{row['task']} ({row['examples']} x {row['seq_len']})"
        score = f"{row['metric']} | {row['score']:.4f}"
        lines.append(f"| {task} | {row['format']} | {score} | {costs} |")
    return "\n".join(lines) + "\n"


def main():
    from albert_tf.exporting.mobile.conversion import QUANTIZATIONS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="what albert-tf finetune wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--formats", nargs="+", default=QUANTIZATIONS, choices=QUANTIZATIONS)
    parser.add_argument("--limit", type=int, default=None, help="dev examples to score (all)")
    parser.add_argument("--calibration", type=int, default=64, help="rows for the ranges of int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--calls", type=int, default=30, help="calls a process")
    parser.add_argument("--rounds", type=int, default=3, help="processes a file")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for run in options.runs:
        for row in rows_of(run, options):
            rows.append(row)
            print(json.dumps(row), flush=True)
            text = json.dumps(rows, indent=1)
            (options.out / "mobile_quality.json").write_text(text, encoding="utf-8")
    (options.out / "mobile_quality.md").write_text(table_of(rows), encoding="utf-8")
    print(table_of(rows))


if __name__ == "__main__":
    main()
