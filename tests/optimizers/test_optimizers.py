import json
from contextlib import ExitStack

import keras
import numpy as np
import pytest

from albert_tf.optimizers.adamw import AdamW
from albert_tf.optimizers.defaults import fine_tuning_optimizer
from albert_tf.optimizers.lamb import Lamb
from albert_tf.optimizers.schedule import WarmupPolynomialDecay

KERNEL = np.array([[3.0, -4.0], [0.0, 12.0]], "float32")
GRADIENT = np.array([[0.1, -0.2], [0.3, 0.4]], "float32")


def variable(path, value):
    *scopes, name = path.split("/")
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        return keras.Variable(value, name=name)


def one_step(optimizer, path="dense/kernel", value=KERNEL, gradient=GRADIENT):
    weights = variable(path, value)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weights])
    return keras.ops.convert_to_numpy(weights)


@pytest.mark.parametrize(("name", "make"), [("adamw", AdamW), ("lamb", Lamb)])
def test_every_step_is_that_of_the_original(shared, name, make):
    golden = np.load(shared / "goldens" / f"optimizer_{name}.npz")
    meta = json.loads(str(golden["meta"]))
    schedule = WarmupPolynomialDecay(
        meta["learning_rate"], meta["num_train_steps"], meta["num_warmup_steps"], reference=True
    )
    optimizer = make(schedule, weight_decay=meta["weight_decay"], reference=True)
    names = [key.removeprefix("init/") for key in golden.files if key.startswith("init/")]
    weights = [variable(name, golden[f"init/{name}"]) for name in names]
    for step in range(meta["steps"]):
        grads = [keras.ops.convert_to_tensor(golden[f"step{step}/grad/{name}"]) for name in names]
        optimizer.apply(grads, weights)
        for name, weight in zip(names, weights, strict=True):
            # Float32 sums in another order than the original's.
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(weight),
                golden[f"step{step}/value/{name}"],
                atol=1e-5,
                err_msg=name,
            )


def by_hand(make, reference, weights, grads):
    """The originals' update in NumPy and float64: rate 0.01, decay 0.1, clip 1."""
    mean, square = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(grads, start=1):
        gradient = gradient * min(1.0, 1.0 / np.linalg.norm(gradient))
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        unbias = (1.0, 1.0) if reference else (1 - 0.9**step, 1 - 0.999**step)
        update = mean / unbias[0] / (np.sqrt(square / unbias[1]) + 1e-6) + 0.1 * weights
        ratio = np.linalg.norm(weights) / np.linalg.norm(update) if make is Lamb else 1.0
        weights = weights - 0.01 * ratio * update
    return weights


@pytest.mark.parametrize("make", [AdamW, Lamb])
@pytest.mark.parametrize("reference", [True, False])
def test_many_steps_follow_the_formula_written_by_hand(make, reference):
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=(3, 4)), rng.normal(size=(8, 3, 4))
    weights = variable("dense/kernel", start)
    optimizer = make(0.01, weight_decay=0.1, reference=reference)
    for gradient in grads:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weights])
    expected = by_hand(make, reference, start, grads)
    # Float32 against float64 over eight steps.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(weights), expected, atol=1e-5)


def test_adamw_follows_the_formula_of_its_paper():
    moved = one_step(AdamW(0.5, weight_decay=0.1, epsilon=0.0, global_clipnorm=None))
    # After one corrected step the quotient of the moments is the sign of the gradient.
    np.testing.assert_allclose(moved, KERNEL - 0.5 * (np.sign(GRADIENT) + 0.1 * KERNEL), atol=1e-5)


def test_the_reference_leaves_the_bias_correction_out():
    moved = one_step(
        AdamW(0.5, weight_decay=0.0, epsilon=0.0, global_clipnorm=None, reference=True)
    )
    quotient = 0.1 / np.sqrt(0.001)
    np.testing.assert_allclose(moved, KERNEL - 0.5 * quotient * np.sign(GRADIENT), atol=1e-5)


def test_lamb_moves_by_its_rate_times_the_norm_of_the_weights():
    moved = one_step(Lamb(0.5, weight_decay=0.01))
    assert np.linalg.norm(moved - KERNEL) == pytest.approx(0.5 * 13.0, rel=1e-5)


def test_lamb_decays_inside_of_the_trust_ratio():
    moved = one_step(Lamb(1.0, weight_decay=0.5, epsilon=0.0, global_clipnorm=None))
    update = np.sign(GRADIENT) + 0.5 * KERNEL
    np.testing.assert_allclose(moved, KERNEL - 13.0 * update / np.linalg.norm(update), rtol=1e-5)


def test_lamb_takes_the_plain_rate_where_all_weights_are_zero():
    moved = one_step(Lamb(0.5, epsilon=0.0), value=np.zeros((2, 2), "float32"))
    np.testing.assert_allclose(moved, -0.5 * np.sign(GRADIENT), atol=1e-5)


@pytest.mark.parametrize("make", [AdamW, Lamb])
@pytest.mark.parametrize("path", ["encoder/layer_norm/gamma", "x/LayerNorm/beta", "dense/bias"])
def test_layer_norms_and_biases_are_neither_decayed_nor_adapted(make, path):
    moved = one_step(make(0.5, weight_decay=0.1, epsilon=0.0), path=path)
    np.testing.assert_allclose(moved, KERNEL - 0.5 * np.sign(GRADIENT), atol=1e-5)


def test_all_gradients_share_one_clip():
    steep, flat = variable("a/kernel", np.zeros(2)), variable("b/kernel", np.zeros(2))
    optimizer = AdamW(1.0, weight_decay=0.0, epsilon=1e6, reference=True)
    grads = [keras.ops.convert_to_tensor(g) for g in ([30.0, 0.0], [0.0, 40.0])]
    optimizer.apply(grads, [steep, flat])
    # The huge epsilon makes the step proportional to the clipped gradient: norm 50 -> 1.
    np.testing.assert_allclose(steep.numpy() * -1e7, [0.6, 0.0], rtol=1e-4)
    np.testing.assert_allclose(flat.numpy() * -1e7, [0.0, 0.8], rtol=1e-4)


def test_the_rate_rises_then_falls_without_a_jump():
    schedule = WarmupPolynomialDecay(1.0, total_steps=10, warmup_steps=4)
    rates = [float(schedule(step)) for step in range(12)]
    expected = [0, 0.25, 0.5, 0.75, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0, 0]
    np.testing.assert_allclose(rates, expected, atol=1e-6)


def test_the_reference_drops_where_the_warm_up_ends():
    # Facts D3: pretraining falls from .00176 to .001716 at step 3125 of 125000.
    schedule = WarmupPolynomialDecay(0.00176, 125_000, 3125, reference=True)
    assert float(schedule(3124)) == pytest.approx(0.00176 * 3124 / 3125)
    assert float(schedule(3125)) == pytest.approx(0.001716, rel=1e-5)


def test_a_power_and_an_end_bend_the_decay():
    schedule = WarmupPolynomialDecay(1.0, 4, power=2.0, end_learning_rate=0.2)
    assert float(schedule(2)) == pytest.approx(0.8 * 0.25 + 0.2)


@pytest.mark.parametrize("make", [AdamW, Lamb])
def test_a_saved_optimizer_comes_back_with_its_settings(make):
    schedule = WarmupPolynomialDecay(1e-3, 100, 10, power=0.5, reference=True)
    optimizer = make(schedule, weight_decay=0.3, beta_1=0.8, reference=True, exclude=("gamma",))
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is make
    assert again.get_config() == optimizer.get_config()
    assert again.exclude == ("gamma",)


def test_the_fine_tuning_default_warms_up_over_a_tenth_and_ends_at_zero():
    optimizer = fine_tuning_optimizer(total_steps=200, peak_learning_rate=1e-4)
    rate = optimizer._learning_rate
    assert float(rate(20)) == pytest.approx(1e-4)
    assert float(rate(200)) == 0.0
    assert optimizer.global_clipnorm == 1.0


def test_another_way_of_clipping_replaces_the_default():
    assert AdamW(1e-3, clipnorm=0.5).global_clipnorm is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"total_steps": 10, "warmup_steps": 10}, "10 of 10"),
        ({"total_steps": 0}, "at least 1: got 0"),
        ({"total_steps": 5, "peak_learning_rate": 0.0}, "above 0: got 0.0"),
    ],
)
def test_an_impossible_schedule_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        WarmupPolynomialDecay(**{"peak_learning_rate": 1e-3, **wrong})


def test_a_bare_text_as_exclude_is_refused():
    with pytest.raises(ValueError, match=r"Write \('bias',\)"):
        AdamW(1e-3, exclude="bias")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": -1.0}, "learning_rate must be at least 0: got -1.0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0: got -0.1"),
        ({"beta_1": 1.0}, r"beta_1 must be in \[0, 1\): got 1.0"),
        ({"beta_2": float("nan")}, r"beta_2 must be in \[0, 1\): got nan"),
    ],
)
@pytest.mark.parametrize("optimizer", [AdamW, Lamb])
def test_a_rate_outside_of_its_range_is_refused(optimizer, arguments, message):
    with pytest.raises(ValueError, match=message):
        optimizer(**{"learning_rate": 1e-3} | arguments)


def _embedding_model():
    """One table of 4 x 2 and a sum: every id adds its row, so gradients are counts."""
    ids = keras.Input((None,), dtype="int32")
    rows = keras.layers.Embedding(4, 2, name="table")(ids)
    return keras.Model(ids, keras.layers.Dense(1, use_bias=False)(keras.ops.sum(rows, axis=1)))


@pytest.mark.parametrize("make", [AdamW, Lamb])
@pytest.mark.parametrize("jit", [False, True])
def test_a_row_met_twice_in_a_batch_counts_as_one_gradient(make, jit):
    def trained(ids_or_counts, model):
        keras.utils.set_random_seed(0)
        model.compile(make(0.1), loss="mse", jit_compile=jit)
        model.fit(ids_or_counts, np.array([[1.0], [0.0]]), epochs=3, verbose=0)
        return [weight.numpy() for weight in model.weights]

    sparse = _embedding_model()
    counts = keras.Input((4,))
    table = keras.layers.Dense(2, use_bias=False, name="table")
    dense = keras.Model(counts, keras.layers.Dense(1, use_bias=False)(table(counts)))
    dense.set_weights(sparse.get_weights())
    ids = np.array([[1, 1, 3], [1, 2, 2]])
    as_counts = np.array([[0, 2, 0, 1], [0, 1, 2, 0]], "float32")
    for one, other in zip(trained(ids, sparse), trained(as_counts, dense), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)  # float32, other order of sums


def test_loss_scaling_gives_the_weights_of_plain_training():
    def trained(optimizer):
        keras.utils.set_random_seed(0)
        model = _embedding_model()
        model.compile(optimizer, loss="mse")
        model.fit(np.array([[1, 1], [2, 3]]), np.array([[1.0], [0.0]]), epochs=3, verbose=0)
        return model.get_weights()

    plain = trained(AdamW(0.1))
    scaled = trained(keras.optimizers.LossScaleOptimizer(AdamW(0.1), initial_scale=1024.0))
    for one, other in zip(plain, scaled, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)  # a power of two scales exactly


@pytest.mark.parametrize("optimizer", [AdamW, Lamb])
def test_weights_of_16_bits_are_refused_with_the_policy_to_use(optimizer):
    weight = keras.Variable(np.ones(3), dtype="bfloat16", name="kernel")
    with pytest.raises(ValueError, match="got bfloat16 for kernel.*dtype='mixed_bfloat16'"):
        optimizer(0.1).build([weight])
