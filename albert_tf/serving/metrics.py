"""What the server counts, under TensorFlow Serving's names, in the text form of Prometheus.

TensorFlow Serving calls a metric `/tensorflow/serving/request_count` and writes it as
`:tensorflow:serving:request_count`, without the endings that Prometheus' own library would force
on it; hence these few lines instead of that library.
"""

import bisect
import itertools
import threading
from collections.abc import Sequence

PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = "text/plain"
_PREFIX = ":tensorflow:serving:"


def exponential_limits(scale: float, growth: float, count: int) -> list[float]:
    """Upper limits of histogram buckets: scale, scale * growth, ...; `count` of them."""
    return [scale * growth**power for power in range(count)]


# Microseconds, from ten to some twenty minutes.
LATENCY = exponential_limits(10, 1.8, 33)
QUEUEING = exponential_limits(100, 1.2, 52)
POWERS_OF_TWO = exponential_limits(1, 2, 15)


class Counter:
    """Counts events by the values of its labels. Safe to use from many threads."""

    kind = "counter"

    def __init__(self, name: str, *labels: str):
        self.name = _PREFIX + name
        self._labels = labels
        self._values: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def add(self, *values: str, amount: int = 1) -> None:
        with self._lock:
            self._values[values] = self._values.get(values, 0) + amount

    def lines(self) -> list[str]:
        with self._lock:
            points = sorted(self._values.items())
        return [f"{self.name}{{{_labels(self._labels, v)}}} {count}" for v, count in points]


class Histogram:
    """Sorts numbers into buckets by the values of its labels. Safe to use from many threads."""

    kind = "histogram"

    def __init__(self, name: str, *labels: str, limits: Sequence[float] = LATENCY):
        self.name = _PREFIX + name
        self._labels = labels
        self._limits = limits
        # Label values -> how many fell below each limit and above the last, and their sum.
        self._points: dict[tuple[str, ...], tuple[list[int], float]] = {}
        self._lock = threading.Lock()

    def add(self, number: float, *values: str) -> None:
        with self._lock:
            empty = [0] * (len(self._limits) + 1)
            counts, total = self._points.get(values, (empty, 0.0))
            counts[bisect.bisect_right(self._limits, number)] += 1
            self._points[values] = (counts, total + number)

    def lines(self) -> list[str]:
        with self._lock:
            points = sorted((v, list(c), total) for v, (c, total) in self._points.items())
        limits = [f"{limit:.6g}" for limit in self._limits] + ["+Inf"]
        lines = []
        for values, counts, total in points:
            labels = _labels(self._labels, values)
            start = f"{self.name}_bucket{{{labels}{',' if labels else ''}"
            below = itertools.accumulate(counts)
            lines += [f'{start}le="{a}"}} {b}' for a, b in zip(limits, below, strict=True)]
            lines.append(f"{self.name}_sum{{{labels}}} {total:.6g}")
            lines.append(f"{self.name}_count{{{labels}}} {sum(counts)}")
        return lines


class Metrics:
    """All metrics of one server."""

    def __init__(self):
        self.request_count = Counter("request_count", "model_name", "status")
        self.request_latency = Histogram("request_latency", "model_name", "API", "entrypoint")
        self.runtime_latency = Histogram("runtime_latency", "model_name", "API", "runtime")
        self.example_count = Counter("request_example_count_total", "model")
        self.examples = Histogram("request_example_counts", "model", limits=POWERS_OF_TWO)
        self.warmup_latency = Histogram("model_warmup_latency", "model_path", "status")
        self.queueing = Histogram(
            "batching_session:queuing_latency", "thread_pool_name", limits=QUEUEING
        )
        self.batch_size = Histogram("batching_session:processed_batch_size", limits=POWERS_OF_TWO)
        self.batch_padding = Histogram("batching_session:padding_size", limits=POWERS_OF_TWO)
        self.batch_runs = Counter("batching_session:wrapped_run_count")

    def text(self) -> str:
        """Writes everything that has been counted so far."""
        lines = []
        for metric in vars(self).values():
            if found := metric.lines():
                lines += [f"# TYPE {metric.name} {metric.kind}", *found]
        return "\n".join(lines) + "\n"


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = zip(names, values, strict=True)
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
