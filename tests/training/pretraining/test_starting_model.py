import dataclasses
import json

import numpy as np
import pytest

from albert_tf.data.record_set import RecordSet
from albert_tf.training.fields import as_values
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.optimizer import make_optimizer
from albert_tf.training.pretraining.piece_frequencies import log_frequencies
from albert_tf.training.pretraining.preset import save_preset
from albert_tf.training.pretraining.starting_model import starting_model
from albert_tf.training.pretraining.variables import values_of


@pytest.fixture(scope="module")
def record_set(records):
    return RecordSet.open(records)


@pytest.fixture(scope="module")
def start(settings, record_set, tmp_path_factory):
    """A preset to start from, and its model."""
    model = starting_model(settings(None), record_set)
    path = tmp_path_factory.mktemp("start") / "model"
    save_preset(model, record_set, path)
    return path, model


def test_shares_are_those_of_the_text(record_set):
    shares = np.exp(log_frequencies(record_set))
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)  # float32
    special = [record_set.vocabulary.pad_id, 2, 3, record_set.vocabulary.mask_id]
    # Ids of the rows are drawn evenly: all ordinary pieces are about as frequent.
    np.testing.assert_allclose(shares[special], shares.min())
    assert 5 < shares.max() / shares.min() < 100


def test_random_weights_begin_with_the_shares_unless_told_not_to(settings, record_set):
    model = starting_model(settings(None), record_set)
    bias = model.masked_lm_head.output_bias.numpy()
    np.testing.assert_array_equal(bias, log_frequencies(record_set))
    model = starting_model(settings(None, frequency_bias=False), record_set)
    assert not model.masked_lm_head.output_bias.numpy().any()


def test_another_run_is_gone_on_from_and_made_deeper(settings, record_set, start):
    path, model = start
    for name in (path, path.parent):  # a preset, or the run that holds it
        chosen = settings(None, config=None, from_=str(name), layers=5, recompute=True)
        deeper = starting_model(chosen, record_set)
        assert deeper.backbone.albert_config.num_hidden_layers == 5
        assert deeper.backbone.encoder.recompute
        for old, new in zip(model.weights, deeper.weights, strict=True):
            np.testing.assert_array_equal(old.numpy(), new.numpy())


def test_a_run_that_is_not_at_its_end_gives_its_newest_weights(settings, record_set, tmp_path):
    run, theirs = tmp_path / "run", settings(tmp_path / "run", freeze=("embeddings/",))
    trained = starting_model(theirs, record_set)
    trained.set_weights([weight + 1 for weight in trained.get_weights()])
    (run / "checkpoints").mkdir(parents=True)
    (run / "settings.json").write_text(json.dumps(as_values(theirs)))
    chosen = settings(None, config=None, from_=str(run), layers=5)
    note = run / "environment.json"
    note.write_text(json.dumps({"data": {"vocabulary": "0" * 64}}))
    with pytest.raises(ValueError, match="must have the vocabulary of .* sha256 0{64}, .*records"):
        starting_model(chosen, record_set)
    note.write_text(json.dumps({"data": {"vocabulary": record_set.vocabulary_sha256}}))
    with pytest.raises(FileNotFoundError, match="neither a model nor a checkpoint"):
        starting_model(chosen, record_set)
    optimizer = make_optimizer(theirs, trained)
    Checkpoints(run / "checkpoints").save(7, values_of(trained, optimizer))
    deeper = starting_model(chosen, record_set)
    assert deeper.backbone.albert_config.num_hidden_layers == 5
    assert len(deeper.trainable_variables) == len(deeper.weights)
    for old, new in zip(trained.get_weights(), deeper.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_frozen_variables_are_not_trained(settings, record_set):
    model = starting_model(settings(None, freeze=("embeddings/",)), record_set)
    assert not any(v.path.startswith("embeddings/") for v in model.trainable_variables)
    with pytest.raises(ValueError, match="no variable's path matches 'decoder'"):
        starting_model(settings(None, freeze=("decoder",)), record_set)


def test_records_of_another_vocabulary_are_refused(settings, record_set, start):
    path, _ = start
    chosen = settings(None, config=None, from_=str(path))
    with pytest.raises(ValueError, match="must be the one that .* was prepared with"):
        starting_model(chosen, dataclasses.replace(record_set, vocabulary_sha256="0" * 64))


def test_rows_longer_than_the_positions_are_refused(settings, record_set):
    config = settings(None).config | {"max_position_embeddings": 23}
    with pytest.raises(ValueError, match="got 23 positions and rows of 24"):
        starting_model(settings(None, config=config), record_set)
