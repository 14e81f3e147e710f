"""Puts the embedded server under stress for minutes: `python benchmarks/soak.py --minutes 10`.

A tiny text classifier is served in two versions with batching, a small queue and few threads. More
clients than it can answer ask over gRPC and REST, and compare every answer with what the version
that gave it must answer. Meanwhile clients vanish in mid-request, send spoiled protobufs, JSON and
HTTP, texts of 10 MB, empty batches, NUL bytes, invalid UTF-8, wrong types and shapes; versions
come, arrive broken and go, and the model list is reloaded. At the end SIGTERM comes in mid-traffic.

It fails (exit code 1) if the server ends, answers wrongly or with a status that is not in the
table below, leaves a request without any answer, grows in memory or threads, or does not end well.

Memory is read every second and shown as medians over time. The first third is warm-up: every size
of batch and every kind of request is new to TensorFlow and to the allocator once. Of the rest the
slope is told, in MB a minute, as the median of the slopes between all pairs of points, so that a
peak does not count; runs of less than five minutes get no verdict. `--without` leaves kinds of
requests out, to find out which of them grows.
"""

import argparse
import dataclasses
import itertools
import json
import os
import runpy
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from rich.console import Console
from rich.table import Table

REPOSITORY = Path(__file__).parents[1]
serving = SimpleNamespace(**runpy.run_path(str(REPOSITORY / "benchmarks" / "serving_model.py")))
soak_clients = SimpleNamespace(**runpy.run_path(str(REPOSITORY / "benchmarks" / "soak_clients.py")))

BATCHING = """
max_batch_size { value: 8 } batch_timeout_micros { value: 1000 } max_enqueued_batches { value: 2 }
num_batch_threads { value: 2 }
"""
MAX_MESSAGE_BYTES = 16 << 20
NUM_THREADS, MAX_PENDING, NUM_CLIENTS = 24, 24, 40
# What may be added in ten minutes, as a share of the memory after warm-up.
MOST_GROWTH, MINUTES_OF_GROWTH = 0.1, 10
NUM_POINTS = 30
# Less says nothing about growth: the first minutes are warm-up.
LEAST_MINUTES = 5


def start_server(folder):
    """Runs the verb `serve`; returns the process and its two addresses."""
    (folder / "batching.txt").write_text(BATCHING)
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    soak_clients.write_model_list(folder, folder / "served")
    code = "import sys; from albert_tf.cli import main; sys.exit(main())"
    flags = {
        "model-config-file": folder / "models.config",
        "model-config-file-poll-wait-seconds": 0.5,
        "file-system-poll-wait-seconds": 0.5,
        "port": 0,
        "rest-port": 1,  # stands for one that is free, chosen below
        "batching-parameters-file": folder / "batching.txt",
        "monitoring-config-file": folder / "monitoring.config",
        "max-message-bytes": MAX_MESSAGE_BYTES,
        "grpc-max-threads": NUM_THREADS,
        "max-pending": MAX_PENDING,
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        flags["rest-port"] = free.getsockname()[1]
    command = [sys.executable, "-c", code, "serve", "--embedded"]
    for name, value in flags.items():
        command += [f"--{name}", str(value)]
    search = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": search},
        )
    line = process.stdout.readline()
    if "gRPC on " not in line:
        raise SystemExit(f"the server did not start: {(folder / 'server.log').read_text()[-2000:]}")
    grpc_address, rest_address = line.removeprefix("gRPC on ").strip().split(", REST on ")
    return process, grpc_address, rest_address


def process_state(pid):
    """Returns resident megabytes and number of threads."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"])


def write_versions(folder, lines):
    """Version 1 and 2 of the classifier, which answer differently."""
    serving.write_model(folder, serving.TINY, lines, None, "float32")
    other = folder / "other"
    other.mkdir()
    config = dataclasses.replace(serving.TINY, num_hidden_layers=3)
    serving.write_model(other, config, lines, None, "float32")
    (other / "served" / "1").rename(folder / "served" / "2")


KINDS = ("grpc", "rest", "vanishing", "spoiled", "odd", "large", "versions")


def run(folder, options, console):
    lines = serving.sentences(None, ["numpy"], 3000, options.seed)
    write_versions(folder, lines)
    soak = soak_clients.Soak(folder, sorted(set(lines))[: options.texts], options.seed)
    process, address, rest_address = start_server(folder)
    try:
        clients = soak_clients.Clients(soak, address, rest_address)
        soak_clients.fill_expected(soak, clients)
        operator = soak_clients.Operator(soak, clients)
        plan = everything(clients, operator, options.without)
        threads = [soak.repeat(action, n, pause) for n, (action, pause) in enumerate(plan)]
        samples = watch(process, soak, options.minutes * 60)
        metrics = urllib.request.urlopen(
            f"http://{rest_address}/monitoring/prometheus/metrics", timeout=60
        ).read()
        seconds, code = end(process, soak)
        soak.stop.set()
        for thread in threads:
            thread.join(timeout=90)
        if any(thread.is_alive() for thread in threads):
            soak.complain("a request was never answered, not even with an error")
    finally:
        process.kill()
        process.wait()
    judge(soak, samples, code, options.without)
    report(console, soak, samples, seconds, metrics.decode())
    if options.out:
        slope = dict(zip(("megabytes", "a minute"), memory_slope(samples), strict=True))
        numbers = {"counts": soak.counts, "megabytes": samples, "slope": slope, "wrong": soak.wrong}
        options.out.write_text(json.dumps(numbers, indent=1, default=str) + "\n", encoding="utf-8")
    return soak.wrong


def everything(clients, operator, without):
    """What runs at once: pairs of an action and the seconds between two of the kind."""
    plan = {
        "grpc": [(clients.good_grpc, 0.0)] * NUM_CLIENTS,
        "rest": [(clients.good_rest, 0.0)] * 4,
        "vanishing": [(clients.vanish_grpc, 0.05), (clients.vanish_rest, 0.05)],
        "spoiled": [
            *((clients.spoiled_protobuf, 0.02), (clients.spoiled_json, 0.02)),
            (clients.spoiled_http, 0.02),
        ],
        "odd": [(clients.odd_request, 0.02)],
        "large": [(clients.large_grpc, 2.0), (clients.large_rest, 2.0)],
        "versions": [(operator.act, 1.0)],
    }
    return [pair for name in KINDS if name not in without for pair in plan[name]]


def watch(process, soak, seconds):
    """Looks at the server once a second; returns (megabytes, threads) of every look."""
    samples, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends and not len(soak.wrong) >= 20:
        if process.poll() is not None:
            soak.complain(f"the server ended with code {process.returncode}")
            break
        samples.append(process_state(process.pid))
        time.sleep(1)
    return samples


def end(process, soak):
    """Sends SIGTERM in mid-traffic; returns how long the server took, and its exit code."""
    soak.ending.set()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(40)
    except subprocess.TimeoutExpired:
        soak.complain("the server did not end within 40 s of SIGTERM")
        code = None
    return time.monotonic() - started, code


def judge(soak, samples, code, without):
    """Adds what the numbers say to what went wrong."""
    if code != 0:
        soak.complain(f"the server ended with code {code} on SIGTERM")
    for kind in soak_clients.ALLOWED:
        if not soak.counts[kind] and not without:
            soak.complain(f"no request of the kind {kind!r} was made")
    if soak.counts["good, gRPC"]["OK"] == 0:
        soak.complain("no good request was answered")
    if not set(soak.counts["good, gRPC"]) & soak_clients.hostile.BUSY and not without:
        soak.complain("the server was never too busy: the queue was not put to the test")
    size, slope = memory_slope(samples)
    if can_tell(samples) and slope > most_slope(size):
        soak.complain(
            f"memory grows by {slope:.1f} MB a minute from {size:.0f} MB: more than "
            f"{most_slope(size):.1f}"
        )
    most = max((threads for _, threads in samples), default=0)
    if most > 2 * (NUM_THREADS + MAX_PENDING) + 80:
        soak.complain(f"{most} threads")


def memory_points(samples):
    """(seconds, median megabytes) of so many parts of the time, each of equal length."""
    width = max(1, -(-len(samples) // NUM_POINTS))
    parts = [samples[i : i + width] for i in range(0, len(samples), width)]
    middles = [i * width + len(part) / 2 for i, part in enumerate(parts)]
    sizes = [statistics.median(size for size, _ in part) for part in parts]
    return list(zip(middles, sizes, strict=True))


def memory_slope(samples):
    """Median megabytes after warm-up, and megabytes a minute that are added."""
    points = memory_points(samples)
    points = points[len(points) // 3 :]
    pairs = itertools.combinations(points, 2)
    slopes = [60 * (later - size) / (end - start) for (start, size), (end, later) in pairs]
    size = statistics.median(size for _, size in points) if points else 0.0
    return size, statistics.median(slopes) if slopes else 0.0


def can_tell(samples):
    """Whether there are so many samples that growth shows."""
    return len(samples) >= 0.9 * 60 * LEAST_MINUTES


def most_slope(size):
    """Megabytes a minute that count as none."""
    return MOST_GROWTH * size / MINUTES_OF_GROWTH


def report(console, soak, samples, seconds, metrics):
    table = Table("request", "answers", title="what came back")
    for kind in (*soak_clients.ALLOWED, soak_clients.AFTER_SIGTERM):
        counted = sorted(soak.counts[kind].items(), key=str)
        table.add_row(kind, ", ".join(f"{status} {count}" for status, count in counted))
    console.print(table)
    points = memory_points(samples)
    console.print(
        "memory over time, s: MB  "
        + "  ".join(f"{second:.0f}: {size:.0f}" for second, size in points),
        highlight=False,
    )
    size, slope = memory_slope(samples)
    flat = "flat" if slope <= most_slope(size) else "GROWING"
    if not can_tell(samples):
        flat = f"no verdict in less than {LEAST_MINUTES} minutes"
    console.print(
        f"memory: {flat}: start {samples[0][0]:.0f} MB, after warm-up {size:.0f} MB, most "
        f"{max(size for size, _ in samples):.0f} MB, slope {slope:+.1f} MB a minute (at most "
        f"{most_slope(size):.1f}); threads: at most {max(threads for _, threads in samples)}; "
        f"ended {seconds:.1f} s after SIGTERM"
    )
    start = ":tensorflow:serving:request_count"
    for line in metrics.splitlines():
        if line.startswith(start):
            console.print(line.removeprefix(":tensorflow:serving:"), highlight=False)
    for text in soak.wrong:
        console.print(f"[red]WRONG[/red] {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--texts", type=int, default=60, help="different ones to ask about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", nargs="+", choices=KINDS, default=[], help="kinds left out")
    parser.add_argument("--out", type=Path, help="file for the numbers, as JSON")
    options = parser.parse_args()
    # So that whoever ends this early does not leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    console = Console(width=110)
    folder = Path(tempfile.mkdtemp(prefix="albert-tf-soak-"))
    try:
        wrong = run(folder, options, console)
        if wrong:
            console.print((folder / "server.log").read_text(errors="replace")[-3000:], markup=False)
    finally:
        shutil.rmtree(folder)
    console.print("FAILED" if wrong else "passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
