"""TFLite files of ALBERT-base beside keras_hub's, and ONNX Runtime: time, memory, size.

    python benchmarks/tflite.py --out DIR

For each length it prints CPU and wall milliseconds of a call, seconds from the start to the first
answer, the most memory added, and the size of the file: of our files in all formats, of
keras_hub's model as TFLite converts it, and of transformers' under ONNX Runtime, float and with
dynamic 8-bit weights (needs the extra `bench`; left out where it is not installed). Each number is
the median over processes of their own, in turn, so that a noisy neighbour slows all alike.
`cached` is LiteRT's CompiledModel with XNNPACK's weight cache, its first process left out.

Files go to DIR, and those that are there are taken as they are; the table goes to DIR/tflite.md,
the numbers to DIR/tflite.json. Weights are random. Linux only.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

CALL = Path(__file__).with_name("tflite_call.py")
DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = ("cpu_ms", "wall_ms", "first_s", "peak_mb")


def enough_pieces(path, size):
    """The bytes of a vocabulary, filled up with made-up pieces to the size of a model."""
    from albert_tf.text.unigram import UnigramModel

    proto = path.read_bytes()
    for number in range(len(UnigramModel(proto).pieces), size):
        piece = f"\u2581made{number}".encode()
        message = b"\x0a%c%b\x15%b" % (len(piece), piece, struct.pack("<f", -30.0))
        # Protobuf messages merge by concatenation.
        proto += b"\x0a%c%b" % (len(message), message)
    return proto


def our_model(config, vocabulary):
    """A classifier of random weights."""
    import keras
    import numpy as np

    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
    from albert_tf.tokenizer import AlbertTokenizer

    keras.utils.set_random_seed(0)
    preprocessor = AlbertTextClassifierPreprocessor(
        AlbertTokenizer(proto=enough_pieces(vocabulary, config.vocab_size)),
        config.max_position_embeddings,
    )
    model = AlbertTextClassifier(AlbertBackbone(config), 2, preprocessor=preprocessor)
    # As training leaves them: norms of 1 and biases of 0 cost a file less than others.
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(weight + rng.normal(0, 0.05, weight.shape))
    return model


def some_texts():
    """Lines of the documentation, to measure ranges on."""
    lines = [line.strip() for path in sorted(DOCS.glob("*.md")) for line in path.open()]
    return [line for line in lines if len(line) > 60 and "|" not in line][:32]


def write_keras_hub(config, path, seq_len, quantized):
    """keras_hub's classifier, as its users convert it: by way of a SavedModel."""
    import tempfile

    import keras_hub
    import tensorflow as tf

    from albert_tf.checkpoints.keras_hub_preset import twin

    model = keras_hub.models.AlbertTextClassifier(twin(config), num_classes=2, preprocessor=None)
    module = tf.Module()
    module.weights = [weight.value for weight in model.weights]
    names = ("token_ids", "segment_ids", "padding_mask")
    specs = {name: tf.TensorSpec([1, seq_len], tf.int32, name) for name in names}
    call = tf.function(lambda **ids: {"logits": model(ids, training=False)}, autograph=False)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, {"tokens": call.get_concrete_function(**specs)})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["tokens"])
        if quantized:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(converter.convert())


def write_onnx(config, path, quantized_path):
    """transformers' classifier for any length, and the same with dynamic 8-bit weights."""
    import torch
    import transformers
    from onnxruntime.quantization import QuantType, quantize_dynamic

    names = ("vocab_size", "embedding_size", "hidden_size", "num_hidden_layers")
    names += ("num_attention_heads", "intermediate_size", "max_position_embeddings")
    sizes = {name: getattr(config, name) for name in names}
    peer = transformers.AlbertConfig(
        **sizes, hidden_act="gelu_new", attn_implementation="eager", return_dict=False
    )
    model = transformers.AlbertForSequenceClassification(peer).eval()
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    ones = torch.ones((1, 16), dtype=torch.long)
    torch.onnx.export(
        model,
        (ones, ones, torch.zeros_like(ones)),
        str(path),
        input_names=inputs,
        output_names=["logits"],
        dynamic_axes={name: {1: "length"} for name in inputs},
        dynamo=False,
    )
    quantize_dynamic(str(path), str(quantized_path), weight_type=QuantType.QInt8)


def contestants(options, config):
    """Writes what is missing; rows of (seq_len, name, runtime, path)."""
    from albert_tf.exporting.tflite import export_tflite

    rows, model = [], None
    for seq_len in options.lengths:
        for quantization in options.formats:
            path = options.out / f"{options.preset}_{quantization}_{seq_len}.tflite"
            if not path.exists():
                model = model or our_model(config, options.vocab)
                texts = some_texts() if quantization == "int8" else None
                export_tflite(model, path, quantization, seq_len, texts=texts)
            rows.append((seq_len, f"ours, {quantization}", "interpreter", path))
            if quantization in ("none", "dynamic"):
                rows.append((seq_len, f"ours, {quantization}, cached", "cached", path))
        for name in ("none", "dynamic") if options.peers else ():
            path = options.out / f"{options.preset}_keras_hub_{name}_{seq_len}.tflite"
            if not path.exists():
                write_keras_hub(config, path, seq_len, name == "dynamic")
            rows.append((seq_len, f"keras_hub, {name}", "interpreter", path))
        if options.peers and all(map(importlib.util.find_spec, ("torch", "onnxruntime", "onnx"))):
            files = [options.out / f"{options.preset}{end}.onnx" for end in ("", "_int8")]
            if not all(file.exists() for file in files):
                write_onnx(config, *files)
            for name, path in zip(("none", "dynamic"), files, strict=True):
                rows.append((seq_len, f"ONNX Runtime, {name}", "onnxruntime", path))
    return rows


def call(row, options, config):
    """One process."""
    seq_len, _, runtime, path = row
    asked = {"runtime": runtime, "path": str(path), "seq_len": seq_len, "calls": options.calls}
    asked |= {"threads": options.threads, "vocab_size": config.vocab_size}
    command = [sys.executable, str(CALL), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{path} did not run under {runtime}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measured(rows, options, config):
    """All rows in turn, round after round; medians."""
    found = {row: [] for row in rows}
    for row in rows:
        if row[2] == "cached":
            # Writes the cache, or finds it.
            call(row, options, config)
    for _ in range(options.rounds):
        for row in rows:
            found[row].append(call(row, options, config))
    return [
        {"seq_len": seq_len, "model": name, "file": path.name, "size_mb": path.stat().st_size / 1e6}
        | {key: statistics.median(run[key] for run in runs) for key in COLUMNS}
        for (seq_len, name, _, path), runs in found.items()
    ]


def table_of(rows):
    lines = [
        "| tokens | model | CPU ms | wall ms | start s | added MB | file MB |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = f"{row['cpu_ms']:.1f} | {row['wall_ms']:.1f} | {row['first_s']:.2f}"
        cells += f" | {row['peak_mb']:.0f} | {row['size_mb']:.2f}"
        lines.append(f"| {row['seq_len']} | {row['model']} | {cells} |")
    return "\n".join(lines) + "\n"


def main():
    from albert_tf.config import AlbertConfig
    from albert_tf.exporting.mobile.conversion import QUANTIZATIONS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--preset", default="base", help="a configuration of AlbertConfig")
    presets = Path(sys.modules["albert_tf"].__file__).parent / "presets"
    shipped = presets / "books_small/spiece.model"
    parser.add_argument(
        "--vocab",
        type=Path,
        default=shipped,
        help="SentencePiece .model inside; made-up pieces fill it up",
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 64, 128, 384])
    parser.add_argument("--formats", nargs="+", default=QUANTIZATIONS, choices=QUANTIZATIONS)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--calls", type=int, default=30, help="calls a process")
    parser.add_argument("--rounds", type=int, default=5, help="processes a row")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    config = AlbertConfig.from_preset(options.preset)
    rows = measured(contestants(options, config), options, config)
    (options.out / "tflite.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    (options.out / "tflite.md").write_text(table_of(rows), encoding="utf-8")
    print(table_of(rows))
    print(f"{options.threads} threads, {os.cpu_count()} cores, {platform.machine()}")


if __name__ == "__main__":
    main()
