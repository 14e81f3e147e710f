"""Times the encoder beside its peers, in one run: `python benchmarks/encoder.py`.

ALBERT-base, forward, 128 tokens a row. Calls are interleaved, so that a noisy neighbour slows all
alike; the ratio of medians is the figure to trust. keras_hub is always there; transformers on
torch joins when the `[bench]` extra is installed.
"""

import argparse
import os
import platform

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import keras_hub
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from albert_tf.config import AlbertConfig
from albert_tf.training.benchmark import benchmark

SEQ_LEN = 128


def transformers_call(config, policy, batch, training):
    """One forward pass of transformers' ALBERT on torch, or one backward pass as well."""
    import torch
    import transformers

    torch.set_num_threads(os.cpu_count())
    peer = transformers.AlbertConfig(
        vocab_size=config.vocab_size,
        embedding_size=config.embedding_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        hidden_act="gelu_new",
    )
    dtype = keras.DTypePolicy(policy).compute_dtype
    model = transformers.AlbertModel(peer).train(training).to(getattr(torch, dtype))
    ids = torch.tensor(batch["token_ids"], dtype=torch.long)
    mask = torch.ones_like(ids)

    def forward():
        with torch.inference_mode():
            return model(ids, attention_mask=mask).last_hidden_state

    def update():
        model.zero_grad()
        model(ids, attention_mask=mask).last_hidden_state.float().square().mean().backward()

    return update if training else forward


def peers():
    """What is installed beside keras_hub."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        return {}
    return {"transformers on torch": transformers_call}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="base", help="a configuration of AlbertConfig")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--training", action="store_true", help="forward and backward")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    config = AlbertConfig.from_preset(options.preset)
    table = Table(title=f"{options.preset}, {SEQ_LEN} tokens a row, seconds a call")
    for heading in ("rows", "dtype", "encoder", "median", "fastest", "median / ours"):
        table.add_column(heading, justify="right")
    for dtype in options.dtypes:
        for rows in options.rows:
            found = benchmark(
                config,
                rows=rows,
                sequence_length=SEQ_LEN,
                policy="mixed_bfloat16" if dtype == "bfloat16" else dtype,
                training=options.training,
                repeats=options.repeats,
                others=peers(),
            )
            for row in found:
                cells = f"{row['seconds']:.4f}", f"{row['fastest']:.4f}"
                ratio = f"{row['time_beside_ours']:.2f}"
                table.add_row(str(rows), dtype, row["encoder"], *cells, ratio)
            table.add_section()
    Console(width=100).print(table)
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, tensorflow {tf.__version__}, "
        f"keras {keras.__version__}, keras_hub {keras_hub.__version__}"
    )


if __name__ == "__main__":
    main()
