"""Fine-tunes from pretrained and from random weights, in all else the same, and prints both.

    python benchmarks/pretraining_pays.py --glue GLUE --out DIR [--from books_small]

Three seeds a task, the median counts. What is finished is not done again, so the command may be
broken off. The table goes to DIR/pretraining_pays.md.
"""

import argparse
import json
import statistics
from pathlib import Path

from ablations import run_verb

from albert_tf.checkpoints.files import find_checkpoint, find_vocabulary
from albert_tf.config import AlbertConfig

# Rates for a width of some hundred: at 3e-4 pairs may lose what the pretraining gave for them.
SINGLE, PAIRS = 3e-4, 1e-4
# MRPC's own dev rows are not published with its texts: a tenth of its training rows stands in.
TASKS = {
    "sst-2": {"learning_rate": SINGLE, "epochs": 2, "limit": 20_000},
    "cola": {"learning_rate": SINGLE, "epochs": 4},
    "mrpc": {"learning_rate": PAIRS, "epochs": 5, "train": "MRPC/msr_paraphrase_train.txt"},
    "rte": {"learning_rate": PAIRS, "epochs": 5},
    "sts-b": {"learning_rate": PAIRS, "epochs": 5},
}


def score(task, start, seed, arguments):
    """The dev scores of one fine-tuning, and what a constant answer gets."""
    out = arguments.out / f"{task}-{start}-{seed}"
    if not (out / "summary.json").is_file():
        weights = {"from": arguments.start}
        if start == "random":
            files = find_checkpoint(arguments.start)
            recipe = arguments.out / "random.json"
            config = AlbertConfig.from_preset(arguments.start).to_dict()
            recipe.write_text(json.dumps({"config": config}), encoding="utf-8")
            weights = {"recipe": recipe, "vocab": find_vocabulary(files.directory)}
        flags = TASKS[task].copy()
        if "train" in flags:
            flags["train"] = arguments.glue / flags["train"]
        else:
            flags["data"] = arguments.glue
        run_verb(
            "finetune",
            **weights,
            **flags,
            task=task,
            out=out,
            batch_size=32,
            precision="auto",
            seed=seed,
        )
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    first = summary["metrics"][0]
    return first, summary["dev"][first], summary["baseline"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--glue", type=Path, required=True, help="folder of the GLUE files")
    parser.add_argument("--out", type=Path, required=True, help="directory of all runs")
    parser.add_argument("--from", dest="start", default="books_small", help="pretrained model")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = [
        "| task | score | constant answer | random weights | pretrained |",
        "| --- | --- | --- | --- | --- |",
    ]
    for task in arguments.tasks:
        cells = {}
        for start in ("random", "pretrained"):
            runs = [score(task, start, seed, arguments) for seed in range(arguments.seeds)]
            values = [value for _, value, _ in runs]
            spread = ", ".join(f"{value:.3f}" for value in sorted(values))
            cells[start] = f"**{statistics.median(values):.3f}** ({spread})"
        name, _, constant = runs[0]
        constant = "" if constant is None else f"{constant:.3f}"
        lines.append(
            f"| {task} | {name} | {constant} | {cells['random']} | {cells['pretrained']} |"
        )
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    (arguments.out / "pretraining_pays.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
