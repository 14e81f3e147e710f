"""Prints ALBERT beside BERT at equal shape: `python benchmarks/bert.py`.

BERT is a configuration of the same code: nothing shared, tables as wide as the encoder (paper
§3.1). Parameters, checkpoint size, and for one update and one forward pass the time and the
memory, each in a process of its own; the processes take turns, so that a noisy neighbour slows
all alike. With `--texts` and `--vocabulary` both are also pretrained at small scale, ALBERT with
sentence order and BERT with next sentences, and compared after equal steps and after equal time.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHAPES = {
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
}
SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}
# Tokens of a row at small scale; on longer ones nothing shows so early (docs/log.md).
SMALL_ROW = 32


def configuration(kind, shape):
    """The keys of an `AlbertConfig`: `albert` shares all layers, `bert` none."""
    shape = {**shape, "intermediate_size": 4 * shape["hidden_size"]}
    if kind == "albert":
        return {**shape, "embedding_size": 128, "sharing": "all"}
    return {**shape, "embedding_size": shape["hidden_size"], "sharing": "none"}


def measure(kind, shape, rows, seq_len, repeats):
    """One model in this process: its sizes, and the seconds and bytes of its work."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy as np
    import tensorflow as tf

    from albert_tf.config import AlbertConfig
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.models.pretrainer import AlbertPretrainer
    from albert_tf.optimizers.adamw import AdamW
    from albert_tf.training.precision import dtype_policy
    from albert_tf.training.pretraining.tensorflow_steps import TensorFlowSteps

    config = AlbertConfig(**configuration(kind, SHAPES[shape]))
    model = AlbertPretrainer(AlbertBackbone(config, dtype=dtype_policy("auto")))
    optimizer = AdamW(1e-4)
    optimizer.build(model.trainable_variables)
    steps = TensorFlowSteps(model, optimizer, tf.distribute.get_strategy())
    rng = np.random.default_rng(0)
    ids = rng.integers(5, config.vocab_size, (rows, seq_len)).astype("int32")
    fields = {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
        "mask_positions": np.tile(np.arange(20, dtype="int32"), (rows, 1)),
        "mask_ids": ids[:, :20],
        "mask_weights": np.ones((rows, 20), "float32"),
        "sentence_order_label": np.zeros(rows, "int32"),
    }
    batch = {name: tf.constant(value) for name, value in fields.items()}
    inference, _ = _median_seconds(lambda: steps.score(batch), repeats)
    training, peak = _median_seconds(lambda: steps.train(batch), repeats)
    return {
        "parameters": config.num_params,
        "checkpoint": 4 * model.count_params(),
        "training": training,
        "memory": peak,
        "inference": inference,
    }


def _median_seconds(work, repeats):
    """Median seconds of a call after a first one, and the process's largest memory in bytes."""
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        sums = work()
        float(sums["masked_lm"][0])
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(rounds, arguments):
    """`(kind, shape)` -> medians over the rounds, from processes that take turns."""
    found = {}
    for _ in range(rounds):
        for shape in arguments.shapes:
            for kind in ("albert", "bert"):
                command = [sys.executable, __file__, "--measure", kind, shape]
                command += ["--rows", str(arguments.rows), "--repeats", str(arguments.repeats)]
                ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.setdefault((kind, shape), []).append(json.loads(ran.stdout.splitlines()[-1]))
    return {
        key: {name: statistics.median(row[name] for row in rows) for name in rows[0]}
        for key, rows in found.items()
    }


def print_sizes_and_speeds(arguments):
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "parameters", "checkpoint MB", "update s", "peak MB", "forward s")
    found = measured(arguments.rounds, arguments)
    for (kind, shape), row in found.items():
        table.add_row(
            f"{kind}-{shape}",
            f"{row['parameters'] / 1e6:.1f} M",
            f"{row['checkpoint'] / 1e6:.0f}",
            f"{row['training']:.2f}",
            f"{row['memory'] / 1e6:.0f}",
            f"{row['inference']:.2f}",
        )
    for shape in arguments.shapes:
        albert, bert = found["albert", shape], found["bert", shape]
        ratios = {name: bert[name] / albert[name] for name in albert}
        table.add_row(
            f"BERT : ALBERT, {shape}",
            f"{ratios['parameters']:.1f}",
            f"{ratios['checkpoint']:.1f}",
            f"{ratios['training']:.2f}",
            f"{ratios['memory']:.2f}",
            f"{ratios['inference']:.2f}",
        )
    Console(width=100).print(table)


def print_quality(arguments):
    """Pretrains a small ALBERT and a small BERT, and compares their held-out masked words."""
    from ablations import run_verb
    from rich.console import Console
    from rich.table import Table

    curves = {}
    for kind, objective in (("albert", "sop"), ("bert", "nsp")):
        records, run = arguments.out / f"records-{objective}", arguments.out / kind
        if not (records / "manifest.json").is_file():
            run_verb(
                "prepare",
                texts=arguments.texts,
                vocabulary=arguments.vocabulary,
                out=records,
                objective=objective,
                sequence_length=SMALL_ROW,
            )
        recipe = arguments.out / f"{kind}.json"
        recipe.write_text(json.dumps({"config": configuration(kind, SMALL)}), encoding="utf-8")
        if not (run / "summary.json").is_file():
            run_verb(
                "pretrain",
                recipe=recipe,
                records=records,
                out=run,
                steps=arguments.steps,
                batch_size=4096 // SMALL_ROW,
                max_predictions=round(0.15 * SMALL_ROW),
                optimizer="adamw",
                learning_rate=1e-3,
                beta_2=0.98,
                warmup_steps=arguments.steps // 20,
                eval_every=max(1, arguments.steps // 20),
                eval_batches=40,
            )
        rows = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
        curves[kind] = [row for row in rows if row["split"] == "held_out"]
    budget = min(rows[-1]["seconds"] for rows in curves.values())
    table = Table("model", "masked words after equal steps", f"after {budget:.0f} s each")
    for kind, rows in curves.items():
        in_time = [row for row in rows if row["seconds"] <= budget]
        table.add_row(
            kind,
            f"{rows[-1]['masked_lm_accuracy']:.3f} at {rows[-1]['step']}",
            f"{in_time[-1]['masked_lm_accuracy']:.3f} at {in_time[-1]['step']}",
        )
    Console(width=100).print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--rows", type=int, default=8, help="of 128 tokens in a batch")
    parser.add_argument("--repeats", type=int, default=3, help="timed calls a process")
    parser.add_argument("--rounds", type=int, default=2, help="processes a model")
    parser.add_argument("--texts", nargs="+", help="to pretrain on; as for `albert-tf prepare`")
    parser.add_argument("--vocabulary", type=Path, help="SentencePiece .model, with --texts")
    parser.add_argument("--out", type=Path, default=Path("bert-beside-albert"), help="of the runs")
    parser.add_argument("--steps", type=int, default=2000, help="updates of each pretraining")
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "SHAPE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(*arguments.measure, arguments.rows, 128, arguments.repeats)))
        return
    print_sizes_and_speeds(arguments)
    if arguments.texts:
        arguments.out.mkdir(parents=True, exist_ok=True)
        print_quality(arguments)


if __name__ == "__main__":
    main()
