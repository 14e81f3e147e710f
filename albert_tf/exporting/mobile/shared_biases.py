"""Fewer 32-bit biases in an 8-bit file: uses of one matrix share the scale of their inputs.

A product in 8 bits adds its bias in steps of the input's scale times the weight's, one for each
output. So every use of the shared block has biases and scales of its own, 8 bytes an output: 55 kB
for each step of ALBERT-base, 6 % of its weights for all twelve. Uses whose inputs have one scale
share them. What a use pays is a coarser step for its input, never a smaller range.
"""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

# Of the 8-bit weights: what biases and their scales may take.
BIAS_FRACTION = 0.015
_OPS = schema.BuiltinOperator
_INT8 = schema.TensorType.INT8
# Operators that read, and that write, 8-bit numbers of any scale.
ANY_INPUT = {
    *(_OPS.ADD, _OPS.SUB, _OPS.MUL, _OPS.SQUARED_DIFFERENCE, _OPS.MEAN, _OPS.RSQRT, _OPS.GELU),
    *(_OPS.FULLY_CONNECTED, _OPS.BATCH_MATMUL, _OPS.SOFTMAX, _OPS.TANH, _OPS.DEQUANTIZE),
}
ANY_OUTPUT = {
    *(_OPS.ADD, _OPS.SUB, _OPS.MUL, _OPS.SQUARED_DIFFERENCE, _OPS.MEAN, _OPS.RSQRT, _OPS.GELU),
    *(_OPS.FULLY_CONNECTED, _OPS.BATCH_MATMUL, _OPS.QUANTIZE),
}
# Those whose numbers go through as they are: one scale for all of its 8-bit tensors.
ONE_SCALE = {_OPS.RESHAPE, _OPS.TRANSPOSE, _OPS.SPLIT, _OPS.STRIDED_SLICE}


def share_biases(model, fraction=BIAS_FRACTION):
    """Gives inputs of one matrix common scales, until the biases are few enough.

    Next to be joined are always the two scales of a matrix for which inputs lose the fewest bits
    for each byte that is saved. The larger scale stays, with the biases that belong to it. Nothing
    changes in a file whose biases are within the limit.

    Args:
        model: `ModelT` of a full-integer file; it is changed.
        fraction: of the bytes of all 8-bit constants: what biases and their scales may take.

    Returns:
        How many bits a shared input lost at most.
    """
    groups = [_Group(model, inputs) for inputs in _inputs_of_one_matrix(model)]
    limit = fraction * _num_weight_bytes(model)
    while sum(group.num_bytes for group in groups) > limit:
        best = min(groups, key=lambda group: group.cost, default=None)
        if best is None or best.cost == math.inf:
            break
        best.join()
    return max((group.share() for group in groups), default=0.0)


@dataclass
class _Input:
    """What a product reads: 8-bit tensors of one scale, and the biases that go with it.

    Attributes:
        tensors: list of `TensorT`: the product's own input and those it is cut or turned from.
        biases: `_matrix` -> `TensorT` of the bias that is added to its product.
    """

    tensors: list
    biases: dict

    @property
    def scale(self):
        return float(self.tensors[0].quantization.scale[0])


class _Group:
    """Inputs of the same matrices, in runs that are to have one scale, the smallest first."""

    def __init__(self, model, inputs):
        by_scale = defaultdict(list)
        for entry in inputs:
            by_scale[entry.scale].append(entry)
        self.runs = [by_scale[scale] for scale in sorted(by_scale)]
        biases = inputs[0].biases.values()
        self.run_bytes = sum(len(model.buffers[bias.buffer].data) for bias in biases)
        self.run_bytes += sum(bias.quantization.scale.nbytes for bias in biases)

    @property
    def num_bytes(self):
        return self.run_bytes * len(self.runs)

    @property
    def cost(self):
        """Bits that are lost for a byte where the two nearest runs are joined."""
        return min(self._costs(), default=math.inf)

    def _costs(self):
        for smaller, larger in zip(self.runs, self.runs[1:], strict=False):
            yield len(smaller) * math.log2(larger[-1].scale / smaller[-1].scale) / self.run_bytes

    def join(self):
        costs = list(self._costs())
        place = costs.index(min(costs))
        # The largest scale of a run is that of its last entry.
        self.runs[place : place + 2] = [self.runs[place] + self.runs[place + 1]]

    def share(self):
        """Gives every run one scale, and its products one set of biases; most bits lost."""
        lost = 0.0
        for run in self.runs:
            largest = run[-1]
            for entry in run[:-1]:
                lost = max(lost, math.log2(largest.scale / entry.scale))
                for matrix, bias in entry.biases.items():
                    bias.buffer = largest.biases[matrix].buffer
                    bias.quantization = largest.biases[matrix].quantization
                for tensor in entry.tensors:
                    tensor.quantization.scale = largest.tensors[0].quantization.scale
        return lost


def _inputs_of_one_matrix(model):
    """Lists of `_Input` that are read by the same matrices and have the same biases."""
    groups = []
    for graph in model.subgraphs:
        for entry in _movable_inputs(model, graph):
            for group in groups:
                if _same_biases(model, group[0], entry):
                    group.append(entry)
                    break
            else:
                groups.append([entry])
    return groups


def _movable_inputs(model, graph):
    """The inputs of products whose scale may be another, as no operator minds."""
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    same = list(range(len(graph.tensors)))
    fixed = {*graph.inputs, *graph.outputs}

    def root(number):
        while same[number] != number:
            number = same[number]
        return number

    products, readers = [], Counter()
    for op in graph.operators:
        code = codes[op.opcodeIndex]
        ins, outs = ([n for n in side if n >= 0] for side in (op.inputs, op.outputs))
        readers.update(ins)
        if code in ONE_SCALE:
            first, *others = [n for n in (*ins, *outs) if graph.tensors[n].type == _INT8] or [0]
            for number in others:
                same[root(number)] = root(first)
        else:
            fixed.update(ins if code not in ANY_INPUT else [])
            fixed.update(outs if code not in ANY_OUTPUT else [])
        if code == _OPS.FULLY_CONNECTED and graph.tensors[ins[0]].type == _INT8:
            products.append(ins)
    families = defaultdict(list)
    for number, tensor in enumerate(graph.tensors):
        if tensor.type == _INT8:
            families[root(number)].append(number)
            if model.buffers[tensor.buffer].data is not None:
                fixed.add(number)
    biases = defaultdict(dict)
    for ins in products:
        matrix = _matrix(graph.tensors[ins[1]])
        bias = ins[2] if len(ins) == 3 else None
        known = biases[root(ins[0])].setdefault(matrix, bias)
        # One bias for one input and matrix, which nothing else reads.
        if bias is None or known != bias or readers[bias] > 1:
            fixed.add(ins[0])
    for family, by_matrix in biases.items():
        if fixed.isdisjoint(families[family]):
            tensors = [graph.tensors[number] for number in families[family]]
            yield _Input(tensors, {m: graph.tensors[b] for m, b in by_matrix.items()})


def _matrix(tensor):
    """What tells a matrix: one that is a multiple of another has its bytes, and other scales."""
    return tensor.buffer, tensor.quantization.scale.tobytes()


def _same_biases(model, one, other):
    """Whether two inputs go to the same matrices, with biases that are equal but for rounding."""
    if one.biases.keys() != other.biases.keys():
        return False
    for matrix, bias in one.biases.items():
        biases = [_as_floats(model, tensor) for tensor in (bias, other.biases[matrix])]
        (values, scales), (other_values, other_scales) = biases
        if not np.all(np.abs(values - other_values) <= scales + other_scales):
            return False
    return True


def _as_floats(model, bias):
    steps = np.frombuffer(bytes(model.buffers[bias.buffer].data), "<i4")
    return steps * bias.quantization.scale.astype("float64"), bias.quantization.scale


def _num_weight_bytes(model):
    buffers = {t.buffer for graph in model.subgraphs for t in graph.tensors if t.type == _INT8}
    return sum(len(model.buffers[n].data) for n in buffers if model.buffers[n].data is not None)
