"""What is ours between the converter and a full-integer file: ranges, biases, packing."""

import flatbuffers
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from albert_tf.exporting.mobile import conversion
from albert_tf.exporting.mobile.packing import packed, unpacked
from albert_tf.exporting.mobile.shared_biases import share_biases

OPS = schema.BuiltinOperator
WIDTH = 16
NUM_USES = 4


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


ROWS = numbers(0, 20, 4, WIDTH)
MATRIX, BIAS = numbers(1, WIDTH, WIDTH) / 3, numbers(2, WIDTH)


def converted(function):
    spec = tf.TensorSpec(ROWS.shape[1:], tf.float32, "x")
    function = tf.function(function, autograph=False).get_concrete_function(x=spec)
    rows = [("tokens", {"x": row}) for row in ROWS]
    return conversion.convert(tf.Module(), {"tokens": function}, "int8", lambda: iter(rows))


def steps(x):
    """One matrix, four times, on numbers that grow."""
    x = tf.nn.gelu(x)
    for _ in range(NUM_USES):
        x = tf.nn.gelu(tf.matmul(x, MATRIX) + BIAS)
    return {"y": x}


@pytest.fixture(scope="module")
def unshared():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "share_biases", lambda model: None)
        return converted(steps)


def operators(model, code):
    """Operators of one kind with their input and output tensors."""
    (graph,) = model.subgraphs
    for op in graph.operators:
        codes = model.operatorCodes[op.opcodeIndex]
        if max(codes.builtinCode, codes.deprecatedBuiltinCode) == code:
            yield [graph.tensors[n] for n in op.inputs], [graph.tensors[n] for n in op.outputs]


def scale_of(tensor):
    return float(tensor.quantization.scale[0])


def biases_of(model):
    return [bias for (_, _, bias), _ in operators(model, OPS.FULLY_CONNECTED)]


def answers_of(content):
    run = Interpreter(model_content=content).get_signature_runner("tokens")
    return np.array([run(x=row)["y"] for row in ROWS])


def test_what_is_added_to_keeps_its_own_range():
    content = converted(lambda x: {"y": x * 0.5 + tf.matmul(x, 100 * MATRIX)})
    ((_, (product,)),) = operators(unpacked(content), OPS.MUL)
    # The interpreter writes the sum, of a thousand and more, in the product's place.
    assert scale_of(product) == pytest.approx(np.ptp(0.5 * ROWS) / 255, rel=0.01)


def test_what_is_added_to_a_far_larger_sum_has_steps_that_xnnpack_takes():
    content = converted(lambda x: {"y": tf.nn.gelu(x) + tf.matmul(x, 1e4 * MATRIX)})
    (((small, _), (total,)),) = operators(unpacked(content), OPS.ADD)
    assert 1 / 1024 < scale_of(small) / scale_of(total) < 1 / 500


def test_uses_of_one_matrix_share_the_biases_of_the_largest_input(unshared):
    model = unpacked(unshared)
    inputs = [x for (x, _, _), _ in operators(model, OPS.FULLY_CONNECTED)]
    before = [scale_of(x) for x in inputs]
    assert len({bias.buffer for bias in biases_of(model)}) == NUM_USES
    lost = share_biases(model, 0.0)
    assert [scale_of(x) for x in inputs] == [max(before)] * NUM_USES
    assert lost == pytest.approx(np.log2(max(before) / min(before)))
    assert len({bias.buffer for bias in biases_of(model)}) == 1


def test_the_step_of_a_bias_is_that_of_its_product(unshared):
    model = unpacked(unshared)
    share_biases(model, 0.0)
    for (x, matrix, bias), _ in operators(model, OPS.FULLY_CONNECTED):
        assert np.allclose(bias.quantization.scale, scale_of(x) * matrix.quantization.scale)
        steps = np.frombuffer(bytes(model.buffers[bias.buffer].data), "<i4")
        # A half of a step for each time that it was rounded.
        assert np.all(np.abs(steps * bias.quantization.scale - BIAS) <= bias.quantization.scale)


def test_no_more_are_shared_than_the_limit_asks(unshared):
    model = unpacked(unshared)
    num_weight_bytes = WIDTH * WIDTH
    one_use = WIDTH * (4 + 4)
    share_biases(model, 2.5 * one_use / num_weight_bytes)
    assert len({bias.buffer for bias in biases_of(model)}) == 2


def test_shared_biases_say_nearly_the_same(unshared):
    exact = np.array([steps(tf.constant(row))["y"] for row in ROWS])
    model = unpacked(unshared)
    share_biases(model, 0.0)
    error = np.abs(answers_of(packed(model)) - exact).max() / np.abs(exact).max()
    # Four products with 8-bit inputs; without their biases a fifth of the range.
    assert error < 0.05


def test_a_scale_that_an_operator_prescribes_stays(monkeypatch):
    def function(x):
        first = tf.matmul(tf.nn.softmax(x), MATRIX) + BIAS
        return {"y": tf.matmul(tf.nn.gelu(first), MATRIX) + BIAS}

    monkeypatch.setattr(conversion, "share_biases", lambda model: share_biases(model, 0.0))
    model = unpacked(converted(function))
    (_, (shares,)), *_ = operators(model, OPS.SOFTMAX)
    assert scale_of(shares) == 1 / 256
    assert len({bias.buffer for bias in biases_of(model)}) == 2


def test_packing_changes_no_answer_and_says_nothing_twice(unshared):
    model = unpacked(unshared)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            # Each constant twice: a buffer of its own for each tensor.
            model.buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = len(model.buffers) - 1
    builder = flatbuffers.Builder(2**16)
    builder.Finish(model.Pack(builder), b"TFL3")
    plain = bytes(builder.Output())
    again = packed(unpacked(plain))
    assert again == packed(unpacked(again))
    constants = [bytes(b.data) for b in unpacked(again).buffers if b.data is not None]
    assert len(set(constants)) == len(constants)
    assert len(again) < len(plain) - WIDTH * WIDTH - (NUM_USES - 1) * 8 * WIDTH
    assert np.array_equal(answers_of(again), answers_of(plain))


def test_inner_names_are_short_and_those_of_signatures_stay(unshared):
    (graph,) = unpacked(unshared).subgraphs
    inner = [
        t.name for n, t in enumerate(graph.tensors) if n not in {*graph.inputs, *graph.outputs}
    ]
    assert max(map(len, inner)) == 2 and len(set(inner)) == len(inner)
    runner = Interpreter(model_content=unshared).get_signature_runner("tokens")
    assert (list(runner.get_input_details()), list(runner.get_output_details())) == (["x"], ["y"])
