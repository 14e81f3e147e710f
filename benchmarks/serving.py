"""Measures the embedded server under load: `python benchmarks/serving.py`.

A text classifier of random weights is exported, and asked about real sentences of mixed length (the
docstrings of installed packages) by 1, 8 and 32 clients, each of which sends the next text when it
has its answer. Beside it stand (a) the same SavedModel without batching and (b) transformers on
torch behind the simplest gRPC server, with the same weights; before anything is timed, the three
(batched, unbatched, torch) must agree. Servers are asked in turn, round by round, so that a busy
neighbour slows all alike: the ratios are the figures to trust. At the end requests come to the
batching server at 70 % of what 8 clients got out of it, at times drawn by chance.

torch need not be in this environment: `--peer-python` names the Python of another.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from albert_tf.config import AlbertConfig
from albert_tf.data import docstrings
from albert_tf.serving.client import Client

REPOSITORY = Path(__file__).parents[1]
BATCHING = REPOSITORY / "export" / "batching_parameters.txt"
PEER = "torch"
PLAIN = "unbatched"
OURS = "batched"
TINY = AlbertConfig(
    vocab_size=2000,
    embedding_size=32,
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
)


def sentences(path, packages, limit, seed):
    """Lines of a file, or sentences of the packages' docstrings; shuffled."""
    if path is not None:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    else:
        found = [text for package in packages for text in docstrings.read_package(package)]
        kept = docstrings.drop_repeats(found)
        lines = [sentence for document in docstrings.documents(kept) for sentence in document]
    np.random.default_rng(seed).shuffle(lines)
    if len(lines) < 100:
        raise SystemExit(f"at least 100 sentences are needed: got {len(lines)}.")
    return lines[:limit]


def write_model(folder, config, lines, vocabulary, dtype):
    """Exports the classifier for our servers, and in Hugging Face's form for the peer."""
    import keras

    from albert_tf.exporting.saved_model import export_saved_model
    from albert_tf.models.backbone import AlbertBackbone
    from albert_tf.tasks.saving import save_checkpoint
    from albert_tf.tasks.text_classifier import AlbertTextClassifier
    from albert_tf.tasks.text_classifier_preprocessor import AlbertTextClassifierPreprocessor
    from albert_tf.tokenizer import AlbertTokenizer
    from albert_tf.training.vocabulary import train_vocabulary

    if vocabulary is None:
        vocabulary = train_vocabulary(lines, folder / "vocabulary.model", 2000)
    tokenizer = AlbertTokenizer(proto=str(vocabulary))
    config = dataclasses.replace(config, vocab_size=tokenizer.vocabulary_size())
    keras.utils.set_random_seed(0)
    preprocessor = AlbertTextClassifierPreprocessor(tokenizer, sequence_length=512)
    model = AlbertTextClassifier(AlbertBackbone(config), 2, preprocessor)
    export_saved_model(model, folder / "served", dtype=dtype)
    save_checkpoint(model, folder / "hf", "hf")
    write_fast_tokenizer(vocabulary, folder / "hf" / "tokenizer.json")


def write_fast_tokenizer(vocabulary, path):
    """The vocabulary as the `tokenizers` package reads it, which runs beside torch."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    size = pieces.get_piece_size()
    special = {
        name: pieces.piece_to_id(name) for name in ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]")
    }
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    frame = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    frame.append({"SpecialToken": {"id": "[SEP]", "type_id": 0}})
    document = {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": name, "special": True} | flags
            for name, number in sorted(special.items(), key=lambda item: item[1])
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Replace", "pattern": {"Regex": "``|''"}, "content": '"'},
                {"type": "NFKD"},
                {"type": "StripAccents"},
                {"type": "Lowercase"},
                {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                {"type": "Strip", "strip_left": True, "strip_right": True},
            ],
        },
        "pre_tokenizer": space,
        "decoder": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": frame,
            "pair": frame,
            "special_tokens": {
                name: {"id": name, "ids": [special[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "model": {
            "type": "Unigram",
            "unk_id": special["<unk>"],
            "byte_fallback": False,
            "vocab": [[pieces.id_to_piece(i), pieces.get_score(i)] for i in range(size)],
        },
    }
    path.write_text(json.dumps(document), encoding="utf-8")


@contextmanager
def process(command, marker, **environment):
    """Runs a server; gives the part of its first line of output that follows `marker`."""
    search = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    running = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": search} | environment,
    )
    try:
        line = running.stdout.readline()
        if marker not in line:
            raise SystemExit(f"{command[0]} {command[1]} did not start; see above.")
        yield line.partition(marker)[2].split(",")[0].strip()
    finally:
        running.stdin.close()
        running.terminate()
        running.wait(30)


def serve_command(folder, *flags):
    code = "import sys; from albert_tf.cli import main; sys.exit(main())"
    arguments = ("--model", f"m={folder / 'served'}", "--port", 0, "--rest-port", 0)
    return [sys.executable, "-c", code, "serve", "--embedded", *arguments, *flags]


def our_call(address, stack):
    client = stack.enter_context(Client(address, timeout=60))
    return lambda text: client.predict("m", {"text": [text]}, output_filter=["logits"])["logits"][0]


def peer_call(address, stack):
    channel = stack.enter_context(grpc.insecure_channel(address))
    method = channel.unary_unary("/peer.Classifier/Classify")
    return lambda text: np.frombuffer(method(text.encode(), timeout=60), np.float32)


def closed_loop(call, texts, num_clients):
    """Asks about all texts; returns the seconds of every answer, and of all together."""
    queue, seconds, lock = list(reversed(texts)), [], threading.Lock()

    def client():
        while True:
            with lock:
                if not queue:
                    return
                text = queue.pop()
            started = time.perf_counter()
            call(text)
            elapsed = time.perf_counter() - started
            with lock:
                seconds.append(elapsed)

    return seconds, in_threads([client] * num_clients, len(texts), seconds)


def open_loop(call, texts, per_second, seed):
    """Asks about a text at random moments, so many a second; returns the seconds of answers.

    What counts is the time from the moment a request was due, not from when it was sent.
    """
    due = np.cumsum(np.random.default_rng(seed).exponential(1 / per_second, len(texts)))
    seconds, lock, start = [], threading.Lock(), time.perf_counter()

    def ask(text, moment):
        time.sleep(max(0.0, start + moment - time.perf_counter()))
        call(text)
        with lock:
            seconds.append(time.perf_counter() - start - moment)

    tasks = [lambda t=text, m=moment: ask(t, m) for text, moment in zip(texts, due, strict=True)]
    in_threads(tasks, len(texts), seconds)
    return seconds


def in_threads(tasks, expected, answers):
    """Runs every task in a thread; raises SystemExit unless all requests were answered."""
    threads = [threading.Thread(target=task) for task in tasks]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(answers) != expected:
        raise SystemExit(f"{expected - len(answers)} of {expected} requests failed; see above.")
    return time.perf_counter() - started


def check_agreement(calls, texts, tolerance):
    """Raises SystemExit unless all servers give the same logits."""
    for text in texts:
        answers = {name: call(text) for name, call in calls.items()}
        expected = answers[PLAIN]
        for name, logits in answers.items():
            if np.abs(logits - expected).max() > tolerance:
                raise SystemExit(
                    f"the server {name} answers {logits} where {PLAIN} gives {expected}: {text!r}"
                )


def percentiles(seconds):
    return [1000 * float(np.percentile(seconds, p)) for p in (50, 95, 99)]


def measure(calls, texts, num_clients, rounds):
    """Gives server -> (requests a second, p50, p95, p99 in ms), medians over rounds."""
    results = {name: [] for name in calls}
    for call in calls.values():
        # The first batches of a size take longer: that is warm-up, and is not counted.
        closed_loop(call, texts[: 4 * num_clients], num_clients)
    for _ in range(rounds):
        for name, call in calls.items():
            seconds, total = closed_loop(call, texts, num_clients)
            results[name].append((len(texts) / total, *percentiles(seconds)))
    return {
        name: tuple(map(statistics.median, zip(*r, strict=True))) for name, r in results.items()
    }


def show(console, clients, measured):
    table = Table(title=f"{clients} client{'s' * (clients > 1)}")
    for column in ("server", "requests/s", "p50 ms", "p95 ms", "p99 ms", f"x {PLAIN}", f"x {PEER}"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for name, numbers in measured.items():
        beside = [
            f"{numbers[0] / measured[other][0]:.2f}" if other in measured else "-"
            for other in (PLAIN, PEER)
        ]
        table.add_row(name, *(f"{number:.1f}" for number in numbers), *beside)
    console.print(table)


def start_servers(folder, options, stack):
    """Gives server -> a function from a text to logits."""
    more = ["--bfloat16"] if options.bfloat16 else []
    batching = [*more, "--batching-parameters-file", options.batching]
    addresses = {
        OURS: stack.enter_context(process(serve_command(folder, *batching), "gRPC on ")),
        PLAIN: stack.enter_context(process(serve_command(folder, *more), "gRPC on ")),
    }
    calls = {name: our_call(address, stack) for name, address in addresses.items()}
    probe = subprocess.run(
        [options.peer_python, "-c", "import torch, transformers, grpc"], capture_output=True
    )
    if probe.returncode:
        reason = probe.stderr.decode().strip().rpartition("\n")[2]
        Console(stderr=True).print(
            f"Without transformers on torch: {options.peer_python} has it not ({reason}). Install "
            "the [bench] extra, or name the Python that has it with --peer-python."
        )
    else:
        command = [options.peer_python, REPOSITORY / "benchmarks/serving_peer.py", folder / "hf"]
        calls[PEER] = peer_call(
            stack.enter_context(process(command, "peer on ", PYTHONPATH="")), stack
        )
    return calls


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", default="base", help="a preset's configuration, or tiny")
    parser.add_argument("--texts", type=Path, help="file of sentences, one a line")
    parser.add_argument("--packages", nargs="+", default=["numpy", "keras"], help="to read instead")
    parser.add_argument("--vocab", type=Path, help="SentencePiece model (default: train one)")
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--requests", type=int, default=300, help="a round, for each server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batching", type=Path, default=BATCHING, help="batching parameters")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--bfloat16", action="store_true", help="serve with --bfloat16")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    options = parser.parse_args()
    console, report = Console(), {}
    lines = sentences(options.texts, options.packages, 20_000, options.seed)
    texts = lines[: options.requests]
    config = TINY if options.size == "tiny" else AlbertConfig.from_preset(options.size)
    folder = Path(tempfile.mkdtemp(prefix="albert-tf-serving-"))
    try:
        with ExitStack() as stack:
            write_model(folder, config, lines, options.vocab, options.dtype)
            calls = start_servers(folder, options, stack)
            exact = options.dtype == "float32" and not options.bfloat16
            # The original splits numbers with commas once more; the peer's tokenizer does not.
            plain = [text for text in lines if not any(map(str.isdigit, text))]
            check_agreement(calls, plain[:20], 1e-4 if exact else 0.1)
            words = sorted(len(text.split()) for text in texts)
            console.print(
                f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; ALBERT "
                f"{options.size}, {options.dtype}; words a text: median "
                f"{words[len(words) // 2]}, most {words[-1]}"
            )
            for clients in options.clients:
                measured = measure(calls, texts, clients, options.rounds)
                show(console, clients, measured)
                report[clients] = measured
            eight = report.get(8) or measured
            seconds = open_loop(calls[OURS], texts, 0.7 * eight[OURS][0], options.seed)
            p50, p95, p99 = percentiles(seconds)
            report["at 70 % load"] = {OURS: (0.7 * eight[OURS][0], p50, p95, p99)}
            console.print(
                f"{OURS}, at 70 % of that load: p50 {p50:.1f} ms, p95 {p95:.1f}, p99 {p99:.1f}; "
                f"p99 is {p99 / p50:.2f} x p50"
            )
    finally:
        shutil.rmtree(folder)
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
