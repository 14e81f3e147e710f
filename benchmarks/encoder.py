"""Times the encoder beside its peers, in one run: `python benchmarks/encoder.py`.

ALBERT-base, forward, 128 tokens a row. Calls are interleaved, so that a noisy neighbour slows all
alike; the ratio of medians is the figure to trust. keras_hub is always there; transformers on
torch joins when the `[bench]` extra is installed.
"""

import argparse
import os
import platform
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone

SEQ_LEN = 128


def inputs_of(rows):
    ids = np.random.default_rng(0).integers(5, 30_000, (rows, SEQ_LEN)).astype("int32")
    return {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
    }


def ours(config, rows, dtype):
    model = AlbertBackbone(config, dtype=policy(dtype))
    return _compiled(model, inputs_of(rows))


def keras_hubs(config, rows, dtype):
    model = keras_hub.models.AlbertBackbone(
        vocabulary_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        num_heads=config.num_attention_heads,
        hidden_dim=config.hidden_size,
        intermediate_dim=config.intermediate_size,
        embedding_dim=config.embedding_size,
        dtype=policy(dtype),
    )
    return _compiled(model, inputs_of(rows))


def policy(dtype):
    return "mixed_bfloat16" if dtype == "bfloat16" else dtype


def _compiled(model, inputs):
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    step = tf.function(lambda: model(tensors, training=False)["sequence_output"])
    return lambda: step().numpy()


def transformers_torch(config, rows, dtype):
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
    model = transformers.AlbertModel(peer).eval().to(getattr(torch, dtype))
    ids = torch.tensor(inputs_of(rows)["token_ids"], dtype=torch.long)
    mask = torch.ones_like(ids)

    def call():
        with torch.inference_mode():
            return model(ids, attention_mask=mask).last_hidden_state

    return call


def peers():
    found = {"albert_tf": ours, "keras_hub": keras_hubs}
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        return found
    return found | {"transformers on torch": transformers_torch}


def timed(calls, repeats):
    """Median seconds of each call, the calls interleaved."""
    for call in calls.values():
        call()
        call()
    seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: (statistics.median(s), min(s)) for name, s in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="base", help="a configuration of AlbertConfig")
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    config = AlbertConfig.from_preset(options.preset)
    table = Table(title=f"{options.preset}, {SEQ_LEN} tokens a row, seconds a call")
    for heading in ("rows", "dtype", "encoder", "median", "fastest", "median / ours"):
        table.add_column(heading, justify="right")
    for dtype in options.dtypes:
        for rows in options.rows:
            calls = {name: build(config, rows, dtype) for name, build in peers().items()}
            results = timed(calls, options.repeats)
            mine = results["albert_tf"][0]
            for name, (median, fastest) in results.items():
                cells = f"{median:.4f}", f"{fastest:.4f}", f"{median / mine:.2f}"
                table.add_row(str(rows), dtype, name, *cells)
            table.add_section()
    Console(width=100).print(table)
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, tensorflow {tf.__version__}, "
        f"keras {keras.__version__}, keras_hub {keras_hub.__version__}"
    )


if __name__ == "__main__":
    main()
