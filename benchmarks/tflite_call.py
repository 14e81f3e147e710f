"""Runs one model file in a process of its own: `python benchmarks/tflite_call.py JSON`.

Started by `tflite.py`. JSON has `runtime` (interpreter, cached, onnxruntime), `path`, `seq_len`,
`calls`, `threads` and `vocab_size`; what is printed has seconds and added memory. Nothing but NumPy
and the runtime is loaded, and memory counts from there. Linux only: it reads `/proc/self`.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

SEGMENTS = ("segment_ids", "token_type_ids")


def megabytes(key):
    """VmRSS, what is in memory, or VmHWM, the most there was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def inputs_for(names, seq_len, vocab_size, dtype):
    """A row of ids without padding, under the names that a file has for its inputs."""
    rng = np.random.default_rng(0)
    inputs = {}
    for name in names:
        if name == "input_length":
            value = np.array([seq_len])
        elif name in ("token_ids", "input_ids"):
            value = rng.integers(5, vocab_size, (1, seq_len))
        else:
            value = np.zeros((1, seq_len)) if name in SEGMENTS else np.ones((1, seq_len))
        inputs[name] = value.astype(dtype)
    return inputs


def interpreter(path, threads, make_inputs):
    """Each runtime loads its modules, waits, and then gives the call."""
    from ai_edge_litert.interpreter import Interpreter

    yield
    runtime = Interpreter(model_path=path, num_threads=threads)
    names = runtime.get_signature_list()
    runner = runtime.get_signature_runner(next(iter(names)))
    inputs = make_inputs(runner.get_input_details(), "int32")
    yield lambda: runner(**inputs)


def cached(path, threads, make_inputs):
    """`CompiledModel` with packed weights in a file beside the model, made at the first start."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.options import CpuOptions, HardwareAccelerator, Options

    yield
    cpu = CpuOptions(num_threads=threads, xnnpack_weight_cache_path=f"{path}.cache")
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
    model = CompiledModel.from_file(path, options=options)
    names = model.get_signature_by_index(0)["inputs"]
    ins, outs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs = make_inputs(names, "int32")

    def call():
        for name, buffer in zip(names, ins, strict=True):
            buffer.write(inputs[name])
        model.run_by_index(0, ins, outs)
        return outs

    yield call


def onnxruntime(path, threads, make_inputs):
    import onnxruntime as ort

    yield
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = make_inputs([node.name for node in session.get_inputs()], "int64")
    yield lambda: session.run(None, inputs)


def measure(runtime, path, seq_len, calls, threads, vocab_size):
    """Seconds of the first call with loading, medians of the others, and megabytes."""

    def make_inputs(names, dtype):
        return inputs_for(names, seq_len, vocab_size, dtype)

    steps = {"interpreter": interpreter, "cached": cached, "onnxruntime": onnxruntime}[runtime](
        path, threads, make_inputs
    )
    next(steps)
    # The most there was is counted from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before, began = megabytes("VmRSS"), time.perf_counter()
    call = next(steps)
    call()
    first = time.perf_counter() - began
    walls, cpus = [], []
    for _ in range(calls):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "first_s": first,
        "wall_ms": 1e3 * float(np.median(walls)),
        "cpu_ms": 1e3 * float(np.median(cpus)),
        "peak_mb": megabytes("VmHWM") - before,
    }


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
