import keras
import numpy as np
import pytest

from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.schedule import WarmupPolynomialDecay
from albert_tf.training.pretraining.variables import (
    assign_values,
    averages_in_place,
    refuse_not_finite,
    values_of,
)


def model_and_optimizer(**settings):
    """A small model with dropout, which has a seed, after two updates."""
    layers = [keras.layers.Dense(3, name="dense"), keras.layers.Dropout(0.5)]
    model = keras.Sequential(layers, name="small")
    model.build((None, 2))
    optimizer = AdamW(WarmupPolynomialDecay(0.1, 9), **settings)
    optimizer.build(model.trainable_variables)
    for _ in range(2):
        optimizer.apply([np.ones(v.shape, "float32") for v in model.trainable_variables])
    return model, optimizer


def test_names_tell_the_variable_and_nothing_of_the_process():
    names = values_of(*model_and_optimizer()).keys()
    assert names == values_of(*model_and_optimizer()).keys()
    moments = {f"optimizer/small_dense_kernel_{moment}" for moment in ("momentum", "velocity")}
    assert {"model/small/dense/kernel", "optimizer/iteration"} | moments <= names
    assert not any("seed" in name for name in names)


def test_values_find_their_places():
    pair = model_and_optimizer()
    values = {name: value + 1 for name, value in values_of(*pair).items()}
    assign_values(*pair, values)
    for name, value in values_of(*pair).items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


def test_files_of_the_first_version_are_read():
    model, optimizer = model_and_optimizer()
    written = [*model.variables, *optimizer.variables]
    old = {
        f"{i:04d} {v.path}": np.ascontiguousarray(v.numpy() + (1 if v.dtype != "uint32" else 0))
        for i, v in enumerate(written)
    }
    before = values_of(model, optimizer)
    assert old[f"{len(model.variables):04d} {optimizer.iterations.path}"].shape == (1,)
    assign_values(model, optimizer, old)
    for name, value in values_of(model, optimizer).items():
        np.testing.assert_array_equal(value, before[name] + 1, err_msg=name)


def test_variables_of_another_model_are_refused():
    pair, kernel = model_and_optimizer(), "model/small/dense/kernel"
    values = values_of(*pair)
    with pytest.raises(ValueError, match=rf"{kernel} of the checkpoint has the shape \(4,\)"):
        assign_values(*pair, values | {kernel: np.zeros(4)})
    del values[kernel]
    with pytest.raises(ValueError, match=f"lacks {kernel}, and has besides model/other"):
        assign_values(*pair, values | {"model/other": np.zeros(4)})


def test_averages_take_the_place_of_weights_for_a_while():
    model, optimizer = model_and_optimizer(use_ema=True, ema_momentum=0.5)
    weights = model.get_weights()
    with averages_in_place(model, optimizer):
        averages = model.get_weights()
    # Two equal updates: the average is halfway between the last two weights.
    assert np.all(averages[0] > weights[0])
    for value, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_weight_that_is_no_number_is_named():
    with pytest.raises(ArithmeticError, match="model/b stopped being a number by step 3"):
        refuse_not_finite({"model/a": np.ones(2), "model/b": np.array([1, np.nan])}, 3)
