"""Fine-tunes one small model on data sets of every kind, each beside an answer without a model.

    python benchmarks/results.py --data DATA --out DIR [--from books_small]

DATA holds the folders glue, squad, race, ner_wnut17 and multi30k. Half of QNLI's dev rows train
where the data set's training rows are missing; SQuAD's files are the halves of its dev set, cut by
article. What is finished is not done again, so the command may be broken off. The table goes to
DIR/results.md. GLUE with three seeds beside random weights: `pretraining_pays.py`.
"""

import argparse
import json
from pathlib import Path

from ablations import run_verb

# Task -> folder of its files, and flags of `albert-tf finetune`. The windows are as short as the
# rows that the small model was pretrained on.
WINDOWS = {"sequence_length": 128, "doc_stride": 48, "max_query_length": 32, "epochs": 3}
ROWS = {
    "qnli": ("glue", {"train": "glue/QNLI/dev.tsv", "dev_fraction": 0.5, "epochs": 4}),
    "squad": ("squad", WINDOWS),
    "squad2": ("squad", WINDOWS),
    "race": ("race", {"levels": "middle", "limit": 2000, "sequence_length": 256, "epochs": 2}),
    "wnut-17": ("ner_wnut17", {"sequence_length": 64, "epochs": 8}),
    "sts-b-embeddings": ("glue", {"sequence_length": 64, "epochs": 4}),
    "multi30k": (
        "multi30k",
        {
            "config": "multi30k.json",
            "train_vocab": 6000,
            "lowercase": False,
            "keep_accents": True,
            "sequence_length": 64,
            "batch_size": 64,
            "epochs": 6,
            "learning_rate": 2e-3,
        },
    ),
}
# Translation starts from random weights: the pretrained vocabulary is English.
TRANSLATOR = {
    "embedding_size": 128,
    "hidden_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.1,
}


def finetuned(task, arguments):
    """The summary of one fine-tuning."""
    out = arguments.out / task
    if not (out / "summary.json").is_file():
        folder, flags = ROWS[task]
        flags = flags.copy()
        if "train" in flags:
            flags["train"] = arguments.data / flags["train"]
        else:
            flags["data"] = arguments.data / folder
        if "config" in flags:
            config = arguments.out / flags["config"]
            config.write_text(json.dumps(TRANSLATOR), encoding="utf-8")
            flags["config"] = config
        else:
            flags["from"] = arguments.start
        run_verb("finetune", task=task, out=out, precision="auto", seed=arguments.seed, **flags)
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def table_row(task, summary):
    """The scores beside those without a model, as a row of Markdown."""
    first = summary["metrics"][0]
    names = [n for n, score in summary["dev"].items() if score is not None and n != "loss"]
    scores = ", ".join(f"{name} {summary['dev'][name]:.4g}" for name in names[:4])
    ways = (summary.get("baselines") or {}).items()
    without = ", ".join(f"{way} {found[first]:.4g}" for way, found in ways if first in found)
    return f"| {task} | {first} | {scores} | {without} | {summary['seconds'] / 60:.0f} min |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets' folders")
    parser.add_argument("--out", type=Path, required=True, help="directory of all runs")
    parser.add_argument("--from", dest="start", default="books_small", help="pretrained model")
    parser.add_argument("--tasks", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = [
        "| task | first score | dev | first score without a model | time |",
        "| --- | --- | --- | --- | --- |",
    ]
    for task in arguments.tasks:
        lines.append(table_row(task, finetuned(task, arguments)))
        print(lines[-1], flush=True)
    (arguments.out / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
