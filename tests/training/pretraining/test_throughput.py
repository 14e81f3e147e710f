import numpy as np

from albert_tf.config import AlbertConfig
from albert_tf.training.pretraining.measures import Measures
from albert_tf.training.pretraining.throughput import training_flops_per_row


def test_operations_of_albert_base_by_hand():
    config = AlbertConfig.from_preset("base")
    layer = 4 * 768**2 + 2 * 768 * 3072 + 2 * 512 * 768
    encoder = 512 * (12 * layer + 128 * 768)
    heads = 20 * (768 * 128 + 128 * 30000) + 768 * 768 + 2 * 768
    assert training_flops_per_row(config, 512, 20) == 6 * (encoder + heads)


def test_means_are_over_answers_not_over_batches():
    measures = Measures()
    measures.add({"masked_lm": (np.float32(6.0), 1, 2), "sentence_order": (0.0, 0, 0)})
    measures.add({"masked_lm": (np.float32(2.0), 5, 6), "sentence_order": (0.0, 0, 0)})
    expected = {"loss": 1.0, "masked_lm_loss": 1.0, "masked_lm_accuracy": 0.75}
    assert measures.take() == expected
