"""The same run on one device, on two, and on JAX without TensorFlow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from albert_tf.tasks.loading import load_checkpoint
from albert_tf.tokenizer import AlbertTokenizer
from albert_tf.training.fields import as_values
from albert_tf.training.pretraining.checkpoints import Checkpoints
from albert_tf.training.pretraining.run import pretrain

TWO_PROCESSORS = """
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
logical = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(processor, logical)
"""
NO_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # an import of it fails, as where it is not installed
"""
JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    # The second half: compile quickly, run slowly.
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2 "
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}
MAIN = """
import sys
from albert_tf.cli import main
sys.exit(main(["pretrain", "--recipe", sys.argv[1]]))
"""


def run_apart(beginning, settings, tmp_path, **environment):
    """Runs the verb in a process of its own."""
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(as_values(settings)))
    ran = subprocess.run(
        [sys.executable, "-c", beginning + MAIN, str(recipe)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_two_replicas_have_the_weights_of_one_device(eventful, whole, tmp_path, assert_close_runs):
    """With LAMB, a clipped norm, unequal numbers of masks, and parts of parts."""
    chosen = eventful(tmp_path / "run", strategy="mirrored", micro_batches=2, recompute=True)
    run_apart(TWO_PROCESSORS, chosen, tmp_path)
    # Sums in another order, over 20 updates.
    assert_close_runs(tmp_path / "run", whole, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_update_has_the_same_weights(eventful, whole, tmp_path, assert_close_runs):
    chosen = eventful(tmp_path / "run", jit_compile=True, micro_batches=2, recompute=True)
    pretrain(chosen, show=False)
    # Fused operations round otherwise, over 20 updates.
    assert_close_runs(tmp_path / "run", whole, atol=1e-5)


@pytest.mark.slow
def test_jax_goes_on_where_tensorflow_stopped(
    eventful, whole, tmp_path, assert_close_runs, measurements
):
    """Two devices, no TensorFlow; what comes out is a preset that TensorFlow reads."""
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "summary.json").unlink()
    for step in (15, 18, 20):
        shutil.rmtree(Checkpoints(run / "checkpoints").path(step))
    run_apart(NO_TENSORFLOW, eventful(run, strategy="mirrored"), tmp_path, **JAX)
    assert json.loads((run / "resumed.jsonl").read_text())["step"] == 12
    # Another library's sums and exponentials, over 8 updates.
    assert_close_runs(run, whole, atol=1e-4)
    for row, expected in zip(measurements(run), measurements(whole), strict=True):
        assert row == pytest.approx(expected, abs=1e-4)
    assert AlbertTokenizer.from_preset(run / "model").vocabulary_size() == 88
    models = [load_checkpoint(path / "model", "pretrainer") for path in (run, whole)]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_on_jax_a_run_that_broke_off_is_bit_equal_too(
    settings, tmp_path, assert_same_run, assert_close_runs
):
    dropout = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    changes = {"config": settings(None).config | dropout, "micro_batches": 2, "recompute": True}
    changes |= {"ema": 0.8, "keep": 9}
    for name, strategy in (("one", "one"), ("two", "mirrored")):
        chosen = settings(tmp_path / name, strategy=strategy, **changes)
        run_apart(NO_TENSORFLOW, chosen, tmp_path, **JAX)
    # The masks of dropout do not depend on the devices here.
    assert_close_runs(tmp_path / "two", tmp_path / "one", atol=1e-5)
    run = shutil.copytree(tmp_path / "one", tmp_path / "again")
    (run / "summary.json").unlink()
    for step in (15, 18, 20):
        shutil.rmtree(Checkpoints(run / "checkpoints").path(step))
    run_apart(NO_TENSORFLOW, settings(run, **changes), tmp_path, **JAX)
    assert_same_run(run, tmp_path / "one")


def test_what_jax_cannot_do_is_refused(eventful, monkeypatch):
    from albert_tf.training.pretraining.jax_backend import JaxBackend

    with pytest.raises(ValueError, match="must be one or mirrored: got multiworker"):
        JaxBackend(eventful(None, strategy="multiworker"), None)
