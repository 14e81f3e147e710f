import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.pretrainer import AlbertPretrainer
from albert_tf.optimizers.adamw import AdamW
from albert_tf.training.pretraining import throughput, throughput_callback
from albert_tf.training.pretraining.measures import Measures
from albert_tf.training.pretraining.tensorflow_steps import TensorFlowSteps
from albert_tf.training.pretraining.throughput import matrix_peak, training_flops_per_row

ROWS, LENGTH, MASKED = 4, 16, 3


def products_in(graph):
    """Operations of all products in a graph, from the shapes of what goes in and comes out."""
    total = 0
    for op in graph.get_operations():
        if op.type in ("MatMul", "BatchMatMulV2"):
            inner = op.inputs[0].shape[-2 if op.get_attr(_TRANSPOSED[op.type]) else -1]
            total += 2 * int(np.prod(op.outputs[0].shape)) * inner
    return total


_TRANSPOSED = {"MatMul": "transpose_a", "BatchMatMulV2": "adj_x"}


@pytest.mark.parametrize("changes", [{}, {"sharing": "none", "embedding_size": 24}])
def test_operations_are_those_of_the_products_in_the_graph(tiny_config, changes):
    config = AlbertConfig.from_dict(tiny_config.to_dict() | changes)
    model = AlbertPretrainer(AlbertBackbone(config))
    optimizer = AdamW(0.1)
    optimizer.build(model.trainable_variables)
    ids = tf.TensorSpec((ROWS, LENGTH), tf.int32)
    masked = tf.TensorSpec((ROWS, MASKED), tf.int32)
    batch = {"token_ids": ids, "segment_ids": ids, "padding_mask": ids}
    batch |= {"mask_positions": masked, "mask_ids": masked}
    batch |= {"sentence_order_label": tf.TensorSpec((ROWS,), tf.int32)}
    steps = TensorFlowSteps(model, optimizer)
    graph = steps.train.get_concrete_function(batch).graph
    assert products_in(graph) == ROWS * training_flops_per_row(config, LENGTH, MASKED)


def test_operations_of_albert_base_by_hand():
    config = AlbertConfig.from_preset("base")
    layer = 4 * 768**2 + 2 * 768 * 3072 + 2 * 512 * 768
    encoder = 512 * (12 * layer + 128 * 768)
    heads = 20 * (768 * 128 + 128 * 30000) + 768 * 768 + 2 * 768
    assert training_flops_per_row(config, 512, 20) == 6 * (encoder + heads)


def test_the_peak_is_that_of_a_processor_and_not_of_nothing():
    # From a slow core to the fastest processors.
    assert 1e9 < matrix_peak("float32", on_accelerator=False, repeats=1) < 1e14


@pytest.fixture
def ticking(monkeypatch):
    """A second passes between any two looks at the clock; the peak is a million operations."""
    clock = itertools.count()
    time = SimpleNamespace(perf_counter=lambda: float(next(clock)))
    monkeypatch.setattr(throughput, "time", time)
    monkeypatch.setattr(throughput_callback, "matrix_peak", lambda *args: 1e6)
    return throughput_callback.Throughput(ROWS, LENGTH, MASKED)


def speed_of(updates, config):
    operations = training_flops_per_row(config, LENGTH, MASKED)
    return {
        "tokens_per_second": updates * ROWS * LENGTH,
        "share_of_matrix_peak": pytest.approx(updates * ROWS * operations / 1e6),
    }


def test_the_speed_of_a_fit_leaves_out_the_first_update_and_validation(tiny_config, ticking):
    backbone = SimpleNamespace(albert_config=tiny_config, compute_dtype="float32")
    ticking.set_model(SimpleNamespace(backbone=backbone))
    ticking.on_train_begin()
    for epoch, expected in enumerate((2, 3)):
        ticking.on_epoch_begin(epoch)
        for batch in range(3):
            ticking.on_train_batch_end(batch)
        ticking.on_test_begin()
        throughput.time.perf_counter()  # validation
        logs = {"loss": 1.0}
        ticking.on_epoch_end(epoch, logs)
        assert logs == {"loss": 1.0} | speed_of(expected, tiny_config)


@pytest.mark.slow
def test_fit_shows_its_speed(tiny_config, ticking):
    model = AlbertPretrainer(AlbertBackbone(tiny_config))
    ids, masked = np.ones((3 * ROWS, LENGTH), "int32"), np.zeros((3 * ROWS, MASKED), "int32")
    names = ("token_ids", "segment_ids", "padding_mask")
    x = dict.fromkeys(names, ids) | {"mask_positions": masked}
    data = x, {"mlm_logits": masked, "sop_logits": ids[:, 0]}
    model.compile(AdamW(0.1))
    settings = {"batch_size": ROWS, "epochs": 2, "verbose": 0, "validation_data": data}
    history = model.fit(*data, **settings, callbacks=[ticking]).history
    for name, values in speed_of(3, tiny_config).items():
        assert history[name][1] == values


def test_means_are_over_answers_not_over_batches():
    measures = Measures()
    measures.add({"masked_lm": (np.float32(6.0), 1, 2), "sentence_order": (0.0, 0, 0)})
    measures.add({"masked_lm": (np.float32(2.0), 5, 6), "sentence_order": (0.0, 0, 0)})
    expected = {"loss": 1.0, "masked_lm_loss": 1.0, "masked_lm_accuracy": 0.75}
    assert measures.take() == expected
    assert measures.take() == {"loss": 0.0}


def test_sums_go_on_from_what_another_added_up():
    first = Measures()
    first.add({"masked_lm": (0.1, 1.0, 3.0)})
    second = Measures(first.totals())
    second.add({"masked_lm": (0.2, 0.0, 3.0)})
    assert second.totals() == {"masked_lm": [0.1 + 0.2, 1.0, 6.0]}
    assert second.are_finite()
    second.add({"masked_lm": (np.nan, 0.0, 3.0)})
    assert not second.are_finite()
