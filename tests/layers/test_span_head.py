import dataclasses

import keras
import numpy as np
import pytest

from albert_tf.layers.span_head import ConditionalSpanHead, answer_mask

LENGTH, HIDDEN = 9, 24


@pytest.fixture(scope="module")
def head(tiny_config):
    keras.utils.set_random_seed(0)
    # Weights wide enough that logits differ.
    head = ConditionalSpanHead(dataclasses.replace(tiny_config, initializer_range=0.5))
    head.build((None, None, HIDDEN))
    for weight in head.weights:
        weight.assign(weight + np.random.default_rng(1).normal(0, 0.1, weight.shape))
    return head


@pytest.fixture(scope="module")
def rows():
    """Hidden states, segments and padding of two rows: 4 + 5 tokens, and 3 + 3 with padding."""
    hidden = np.random.default_rng(2).normal(0, 1, (2, LENGTH, HIDDEN)).astype("float32")
    segments = np.array([[0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0]])
    padding = np.array([[1] * 9, [1] * 6 + [0] * 3])
    return hidden, segments, padding


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def original(head, hidden, mask, start):
    """Logits of `create_v2_model` for one row, with the end conditioned on position `start`."""
    w = {weight.path.split("conditional_span_head/")[-1]: weight.numpy() for weight in head.weights}
    start_logits = np.where(mask, hidden @ w["start/kernel"][:, 0] + w["start/bias"], -1e30)
    both = np.concatenate([hidden, np.tile(hidden[start], (len(hidden), 1))], axis=-1)
    features = np.tanh(both @ w["end_hidden/kernel"] + w["end_hidden/bias"])
    centred = features - features.mean(-1, keepdims=True)
    features = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    features = features * w["end_norm/gamma"] + w["end_norm/beta"]
    end_logits = np.where(mask, features @ w["end/kernel"][:, 0] + w["end/bias"], -1e30)
    weights = np.exp(log_softmax(start_logits))
    answer = np.concatenate([weights @ hidden, hidden[0]])
    answer = np.tanh(answer @ w["answer_hidden/kernel"] + w["answer_hidden/bias"])
    return start_logits, end_logits, (answer @ w["answer/kernel"])[0]


MASK = np.array([[1, 0, 0, 0, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 0, 0, 0, 0]], bool)


def test_an_answer_stands_in_the_context_or_nowhere_at_the_first_token(rows):
    np.testing.assert_array_equal(answer_mask(*rows[1:]), MASK)


def test_training_logits_are_those_of_the_original(head, rows):
    found = head(*rows, start_positions=np.array([5, 0]))
    for row, start in enumerate([5, 0]):
        expected = original(head, rows[0][row], MASK[row], start)
        names = ("start_logits", "end_logits", "impossible_logits")
        for name, values in zip(names, expected, strict=True):
            # Float32, and the product with [a; b] as a sum of two.
            np.testing.assert_allclose(found[name][row], values, rtol=1e-5, atol=1e-5)


def test_beams_are_those_of_the_original(head, rows):
    found = {name: value.numpy() for name, value in head(*rows).items()}
    starts = log_softmax(original(head, rows[0][0], MASK[0], 0)[0])
    order = np.argsort(-starts, kind="stable")[:5]
    assert found["start_index"][0].tolist() == order.tolist()
    # As above.
    np.testing.assert_allclose(found["start_log_probs"][0], starts[order], rtol=1e-5, atol=1e-5)
    for beam, start in enumerate(order):
        ends = log_softmax(original(head, rows[0][0], MASK[0], start)[1])
        best = np.argsort(-ends, kind="stable")[:5]
        assert found["end_index"][0, beam].tolist() == best.tolist()
        log_probs = found["end_log_probs"][0, beam]
        np.testing.assert_allclose(log_probs, ends[best], rtol=1e-5, atol=1e-5)


def test_a_row_shorter_than_the_beams_repeats_its_end_at_no_probability(head, rows):
    hidden, segments, padding = (part[1:, :4] for part in rows)
    found = head(hidden, np.array([[0, 0, 1, 1]]), padding)
    assert (found["start_index"].numpy() <= 3).all() and (found["end_index"].numpy() <= 3).all()
    assert (found["start_log_probs"].numpy()[0, 2:] < -1e29).all()


def test_padding_does_not_leak(head, rows):
    changed = rows[0].copy()
    changed[1, 6:] += 100
    longer = head(changed, *rows[1:])
    shorter = head(*(part[:, :6] for part in rows))
    for name, value in head(*rows).items():
        if name.startswith("impossible") or name.startswith("start"):
            possible = value.numpy()[1] > -1e29
            np.testing.assert_allclose(longer[name].numpy()[1], value.numpy()[1], atol=1e-5)
            # Sums over 9 and over 6 positions.
            found = shorter[name].numpy()[1][possible]
            np.testing.assert_allclose(found, value.numpy()[1][possible], atol=1e-5)


def test_the_head_computes_in_the_dtype_of_its_policy(tiny_config, rows):
    head = ConditionalSpanHead(tiny_config, num_starts=2, num_ends=3, dtype="mixed_bfloat16")
    found = head(*rows)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "start_log_probs": (2, 2),
        "start_index": (2, 2),
        "end_log_probs": (2, 2, 3),
        "end_index": (2, 2, 3),
        "impossible_logits": (2,),
    }
    again = ConditionalSpanHead.from_config(head.get_config())
    assert (again.num_starts, again.num_ends, again.rate) == (2, 3, 0.1)
