"""Takes ALBERT's choices away one by one, at small scale, in equal steps (paper tables 3, 4, 5).

    python benchmarks/ablations.py --texts BOOKS --vocabulary FILE.model --glue GLUE --out DIR

Each variant prepares its records where they differ, pretrains in a process of its own, and is
fine-tuned on one task. What is finished is not done again, so the command may be broken off, and
`--variants` may deal the work to several machines. The table goes to DIR/ablations.md. Rows are of
32 tokens: on longer ones so short a training stays on the plateau of what frequencies and topic
give, where no choice shows (docs/log.md).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

BASE = {
    "embedding_size": 128,
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "max_position_embeddings": 128,
    "sharing": "all",
}
# Name -> what differs from the base: of the configuration, of the records, of the masking.
VARIANTS = {
    "base: share all, E 128, SOP, n-grams": ({}, {}, {}),
    "share attention": ({"sharing": "attention"}, {}, {}),
    "share ffn": ({"sharing": "ffn"}, {}, {}),
    "share none": ({"sharing": "none"}, {}, {}),
    "E 64": ({"embedding_size": 64}, {}, {}),
    "E 256": ({"embedding_size": 256}, {}, {}),
    "NSP": ({}, {"objective": "nsp"}, {}),
    "no sentence pairs": ({}, {"objective": "none"}, {}),
    "single words masked": ({}, {}, {"max_ngram": 1}),
}


def run_verb(verb, **flags):
    """Runs `albert-tf verb` in a process of its own.

    Returns:
        Largest resident memory of the process, in bytes (Linux).
    """
    command = [sys.executable, "-m", "albert_tf.cli", verb]
    for name, value in flags.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            command.append(f"--{name}" if value else f"--no-{name}")
            continue
        values = [str(v) for v in value] if isinstance(value, list) else [str(value)]
        command += [f"--{name}", *values]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {code}.")
    return 1024 * usage.ru_maxrss


def records_of(settings, arguments):
    """Prepares the records of an objective, once."""
    objective = settings.get("objective", "sop")
    out = arguments.out / f"records-{objective}"
    if not (out / "manifest.json").is_file():
        run_verb(
            "prepare",
            texts=arguments.texts,
            vocabulary=arguments.vocabulary,
            out=out,
            objective=objective,
            sequence_length=arguments.sequence_length,
            seed=arguments.seed,
        )
    return out


def pretrained(name, arguments):
    """Pretrains a variant, once, and gives its row of the table."""
    config, settings, masking = VARIANTS[name]
    out = arguments.out / name.replace(" ", "_").replace(":", "").replace(",", "")
    row_file = out / "ablation.json"
    if row_file.is_file():
        return json.loads(row_file.read_text(encoding="utf-8"))
    recipe = arguments.out / f"{out.name}.json"
    recipe.write_text(json.dumps({"config": BASE | config}), encoding="utf-8")
    peak = run_verb(
        "pretrain",
        recipe=recipe,
        records=records_of(settings, arguments),
        out=out,
        steps=arguments.steps,
        batch_size=arguments.batch_size,
        # 15 % of a row.
        max_predictions=round(0.15 * arguments.sequence_length),
        optimizer="adamw",
        learning_rate=1e-3,
        beta_2=0.98,
        warmup_steps=arguments.steps // 20,
        eval_every=arguments.steps,
        seed=arguments.seed,
        **masking,
    )
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    speeds = [json.loads(line).get("tokens_per_second") for line in lines]
    row = {
        "parameters": summary["parameters"],
        "memory": peak,
        "tokens_per_second": statistics.median(s for s in speeds if s),
        "masked_lm_accuracy": summary["held_out"]["masked_lm_accuracy"],
        "sentence_order_accuracy": summary["held_out"].get("sentence_order_accuracy"),
        "task": [task_score(out, seed, arguments) for seed in range(arguments.task_seeds)],
    }
    row_file.write_text(json.dumps(row), encoding="utf-8")
    return row


def task_score(run, seed, arguments):
    """Fine-tunes a pretrained run on the task; its first dev score."""
    out = run / f"{arguments.task}-{seed}"
    if not (out / "summary.json").is_file():
        run_verb(
            "finetune",
            **{"from": run / "model"},
            task=arguments.task,
            data=arguments.glue,
            out=out,
            limit=arguments.task_rows,
            epochs=2,
            batch_size=32,
            learning_rate=3e-4,
            precision="auto",
            seed=seed,
        )
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return summary["dev"][summary["metrics"][0]]


def table(rows, task):
    """The rows as Markdown."""
    head = ["variant", "parameters", "peak MB", "tokens/s", "masked words", "sentence pairs", task]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for name, row in rows.items():
        order = row["sentence_order_accuracy"]
        cells = [
            name,
            f"{row['parameters']:,}",
            f"{row['memory'] / 1e6:,.0f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['masked_lm_accuracy']:.3f}",
            "" if order is None else f"{order:.3f}",
            f"{statistics.median(row['task']):.3f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", nargs="+", required=True, help="as for `albert-tf prepare`")
    parser.add_argument("--vocabulary", type=Path, required=True, help="SentencePiece .model")
    parser.add_argument("--glue", type=Path, required=True, help="folder of the GLUE files")
    parser.add_argument("--out", type=Path, required=True, help="directory of all runs")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--task", default="sst-2", help="GLUE task for the downstream score")
    parser.add_argument("--task-rows", type=int, default=20_000, help="of its training rows")
    parser.add_argument("--task-seeds", type=int, default=3, help="fine-tunings; the median counts")
    parser.add_argument("--steps", type=int, default=2000, help="updates of each pretraining")
    parser.add_argument("--sequence-length", type=int, default=32, help="tokens of a row")
    parser.add_argument("--batch-size", type=int, default=128, help="rows an update")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = {name: pretrained(name, arguments) for name in arguments.variants}
    text = table(rows, arguments.task)
    (arguments.out / "ablations.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
