"""Measures the embedded server under load: `python benchmarks/serving.py`.

A text classifier of random weights is exported, and asked about real sentences of mixed length (the
docstrings of installed packages) by 1, 8 and 32 clients, each of which sends the next text when it
has its answer. Beside it stand (a) the same SavedModel without batching and (b) transformers on
torch behind the simplest gRPC server, with the same weights; before anything is timed, the three
(batched, unbatched, torch) must agree. Servers are asked in turn, round by round, so that a busy
neighbour slows all alike: the ratios are the figures to trust, and on a machine that is never quiet
those of processor time. Where the processor multiplies in bfloat16, a fourth server does so
(`serve --bfloat16`, batched). At the end requests come to each batching server at 70 % of what 8
clients got out of it, at times drawn by chance.

torch need not be in this environment: `--peer-python` names the Python of another.
"""

import argparse
import json
import os
import platform
import runpy
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
from rich.console import Console
from rich.table import Table

from albert_tf.config import AlbertConfig
from albert_tf.serving.client import Client
from albert_tf.training.precision import has_native_bfloat16

REPOSITORY = Path(__file__).parents[1]
model = SimpleNamespace(**runpy.run_path(str(REPOSITORY / "benchmarks" / "serving_model.py")))
BATCHING = REPOSITORY / "export" / "batching_parameters.txt"
PEER = "torch"
PLAIN = "unbatched"
OURS = "batched"
BFLOAT16 = "batched, bfloat16"
# Largest difference of a logit: other order of sums; 8 bits of precision.
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1}
COLUMNS = ("requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms/request")


@contextmanager
def process(command, marker, **environment):
    """Runs a server; gives its id, and what follows `marker` in its first line of output."""
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
        yield running.pid, line.partition(marker)[2].split(",")[0].strip()
    finally:
        running.stdin.close()
        running.terminate()
        running.wait(30)


def serve_command(folder, *flags):
    code = "import sys; from albert_tf.cli import main; sys.exit(main())"
    arguments = ("--model", f"m={folder / 'served'}", "--port", 0, "--rest-port", 0)
    return [sys.executable, "-c", code, "serve", "--embedded", *arguments, *flags]


def cpu_seconds(pid):
    """Processor time that a process has used, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def check_agreement(calls, texts, dtype):
    """Raises SystemExit unless all servers give the same logits, as exact as they compute."""
    for text in texts:
        answers = {name: call(text) for name, call in calls.items()}
        expected = answers[PLAIN]
        for name, logits in answers.items():
            tolerance = TOLERANCES["bfloat16" if name == BFLOAT16 else dtype]
            if np.abs(logits - expected).max() > tolerance:
                raise SystemExit(
                    f"the server {name} answers {logits} where {PLAIN} gives {expected}: {text!r}"
                )


def percentiles(seconds):
    return [1000 * float(np.percentile(seconds, p)) for p in (50, 95, 99)]


def measure(servers, texts, num_clients, rounds):
    """Gives server -> (requests a second, p50, p95, p99 in ms, processor ms), medians of rounds."""
    results = {name: [] for name in servers}
    for _, call in servers.values():
        # The first batches of a size take longer: that is warm-up, and is not counted.
        closed_loop(call, texts[: 4 * num_clients], num_clients)
    for _ in range(rounds):
        for name, (pid, call) in servers.items():
            used = cpu_seconds(pid)
            seconds, total = closed_loop(call, texts, num_clients)
            used = 1000 * (cpu_seconds(pid) - used) / len(texts)
            results[name].append((len(texts) / total, *percentiles(seconds), used))
    return {
        name: tuple(map(statistics.median, zip(*r, strict=True))) for name, r in results.items()
    }


def show(console, clients, measured):
    table = Table(title=f"{clients} client{'s' * (clients > 1)}")
    for column in ("server", *COLUMNS, f"x {PLAIN}", f"x {PEER}"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for name, numbers in measured.items():
        beside = [
            f"{numbers[0] / measured[other][0]:.2f}" if other in measured else "-"
            for other in (PLAIN, PEER)
        ]
        table.add_row(name, *(f"{number:.1f}" for number in numbers), *beside)
    console.print(table)


def start_servers(folder, options, stack):
    """Gives server -> (id of its process, a function from a text to logits)."""
    batching = ["--batching-parameters-file", options.batching]
    started = {OURS: batching, PLAIN: []}
    if has_native_bfloat16() and not options.no_bfloat16:
        started[BFLOAT16] = ["--bfloat16", *batching]
    servers = {}
    for name, flags in started.items():
        pid, address = stack.enter_context(process(serve_command(folder, *flags), "gRPC on "))
        servers[name] = pid, our_call(address, stack)
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
        pid, address = stack.enter_context(process(command, "peer on ", PYTHONPATH=""))
        servers[PEER] = pid, peer_call(address, stack)
    return servers


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
    parser.add_argument("--no-bfloat16", action="store_true", help="leave that server out")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    options = parser.parse_args()
    console, report = Console(width=110), {}
    lines = model.sentences(options.texts, options.packages, 20_000, options.seed)
    texts = lines[: options.requests]
    config = model.TINY if options.size == "tiny" else AlbertConfig.from_preset(options.size)
    folder = Path(tempfile.mkdtemp(prefix="albert-tf-serving-"))
    try:
        with ExitStack() as stack:
            model.write_model(folder, config, lines, options.vocab, options.dtype)
            servers = start_servers(folder, options, stack)
            calls = {name: call for name, (_, call) in servers.items()}
            # The original splits numbers with commas once more; the peer's tokenizer does not.
            plain = [text for text in lines if not any(map(str.isdigit, text))]
            check_agreement(calls, plain[:20], options.dtype)
            words = sorted(len(text.split()) for text in texts)
            console.print(
                f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; ALBERT "
                f"{options.size}, {options.dtype}; words a text: median "
                f"{words[len(words) // 2]}, most {words[-1]}"
            )
            for clients in options.clients:
                measured = measure(servers, texts, clients, options.rounds)
                show(console, clients, measured)
                report[clients] = measured
            eight = report.get(8) or measured
            report["at 70 % load"] = {}
            for name in {OURS, BFLOAT16} & set(calls):
                load = 0.7 * eight[name][0]
                p50, p95, p99 = percentiles(open_loop(calls[name], texts, load, options.seed))
                report["at 70 % load"][name] = (load, p50, p95, p99)
                console.print(
                    f"{name}, at 70 % of that load ({load:.1f} a second): p50 {p50:.1f} ms, p95 "
                    f"{p95:.1f}, p99 {p99:.1f}; p99 is {p99 / p50:.2f} x p50"
                )
    finally:
        shutil.rmtree(folder)
    if options.out:
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
