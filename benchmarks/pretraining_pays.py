"""Fine-tunes from pretrained and from random weights, in all else the same, and prints both.

    python benchmarks/pretraining_pays.py --glue GLUE --out DIR [--from books_small]

Three seeds a task, the median counts. The tasks of few pairs have a second row, "after qqp": both
starts first learn to compare two texts from 21,497 questions of QQP, as the paper goes to RTE,
STS-B and MRPC by way of MNLI (Table 14). What is finished is not done again, so the command may be
broken off. The table goes to DIR/pretraining_pays.md.
"""

import argparse
import json
import statistics
from pathlib import Path

from ablations import run_verb

from albert_tf.checkpoints.files import find_checkpoint, find_vocabulary
from albert_tf.config import AlbertConfig

# MRPC's own dev rows are not published with its texts: a tenth of its training rows stands in.
MRPC = {"epochs": 5, "train": "MRPC/msr_paraphrase_train.txt"}
AFTER_QQP = " after qqp"
TASKS = {
    "sst-2": {"epochs": 2, "limit": 20_000},
    "cola": {"epochs": 4},
    "mrpc": MRPC,
    "rte": {"epochs": 5},
    "sts-b": {"epochs": 5},
    "mrpc after qqp": MRPC,
    "rte after qqp": {"epochs": 5},
    "sts-b after qqp": {"epochs": 5},
}
QQP = {"epochs": 5, "sequence_length": 64}
QQP_COLUMNS = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
QQP_DEV_ROWS = 2_000


def score(name, start, seed, arguments):
    """The dev scores of one fine-tuning, and what a constant answer gets."""
    task = name.removesuffix(AFTER_QQP)
    out = arguments.out / f"{name}-{start}-{seed}".replace(" ", "-")
    if not (out / "summary.json").is_file():
        if name == task:
            weights = starting_weights(start, arguments)
        else:
            weights = {"from": learned_to_compare(start, arguments)}
        flags = TASKS[name].copy()
        if "train" in flags:
            flags["train"] = arguments.glue / flags["train"]
        else:
            flags["data"] = arguments.glue
        finetune(task, out, seed, arguments, **weights, **flags)
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    first = summary["metrics"][0]
    return first, summary["dev"][first], summary["baseline"]


def starting_weights(start, arguments):
    """The flags that choose pretrained weights, or random ones of the same shape."""
    if start == "pretrained":
        return {"from": arguments.start}
    files = find_checkpoint(arguments.start)
    recipe = arguments.out / "random.json"
    config = AlbertConfig.from_preset(arguments.start).to_dict()
    recipe.write_text(json.dumps({"config": config}), encoding="utf-8")
    return {"recipe": recipe, "vocab": find_vocabulary(files.directory)}


def learned_to_compare(start, arguments):
    """The run of QQP from a start, seed 0 for all that follow."""
    out = arguments.out / f"qqp-{start}"
    if not (out / "summary.json").is_file():
        files = split_qqp(arguments)
        finetune("qqp", out, 0, arguments, **starting_weights(start, arguments), **files, **QQP)
    return out


def split_qqp(arguments):
    """Writes the published rows of QQP as GLUE's files; the first of them lacks its id."""
    (subset,) = (arguments.glue / "QQP").glob("subset_*.tsv")
    rows = [line.split("\t") for line in subset.read_text(encoding="utf-8").split("\n")]
    rows = [row for row in rows if len(row) == len(QQP_COLUMNS)]
    parts = {"dev": rows[:QQP_DEV_ROWS], "train": rows[QQP_DEV_ROWS:]}
    files = {name: arguments.out / f"qqp-{name}.tsv" for name in parts}
    for name, part in parts.items():
        lines = ["\t".join(row) + "\n" for row in (QQP_COLUMNS, *part)]
        files[name].write_text("".join(lines), encoding="utf-8")
    return files


def finetune(task, out, seed, arguments, **flags):
    run_verb(
        "finetune",
        **flags,
        task=task,
        out=out,
        batch_size=32,
        learning_rate=arguments.learning_rate,
        precision="auto",
        seed=seed,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--glue", type=Path, required=True, help="folder of the GLUE files")
    parser.add_argument("--out", type=Path, required=True, help="directory of all runs")
    parser.add_argument("--from", dest="start", default="books_small", help="pretrained model")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
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
