"""A pretraining run on JAX, without TensorFlow; see `tensorflow_backend`."""

import contextlib
import itertools

import jax
import keras
import numpy as np

from albert_tf.data.record_batches import numpy_batches
from albert_tf.data.record_set import HELD_OUT, TRAIN
from albert_tf.training.pretraining.jax_steps import JaxSteps
from albert_tf.training.pretraining.optimizer import depth_weights_of, make_optimizer
from albert_tf.training.pretraining.settings import batch_settings, check_batch
from albert_tf.training.pretraining.starting_model import starting_model
from albert_tf.training.pretraining.throughput import matrix_peak
from albert_tf.training.pretraining.variables import assign_values, averages_in_place, values_of


class JaxBackend:
    """What a run needs of the library that computes it, as `TensorFlowBackend`.

    Args:
        settings: `PretrainSettings`; `strategy` is `one` device, or `mirrored` for all devices of
            this process.
        records: `RecordSet`.

    Raises:
        ValueError: settings, start and records do not fit together.
    """

    num_workers, is_chief = 1, True

    def __init__(self, settings, records):
        if settings.strategy not in ("one", "mirrored"):
            raise ValueError(
                f"On JAX the strategy must be one or mirrored: got {settings.strategy}. mirrored "
                "takes all devices of this process, TPUs too."
            )
        self.settings, self.records = settings, records
        self._has_order = records.objective != "none"
        devices = jax.local_devices()[: None if settings.strategy == "mirrored" else 1]
        self.num_devices = len(devices)
        check_batch(settings, self.num_devices)
        keras.utils.set_random_seed(settings.seed)
        self.model = starting_model(settings, records)
        self.optimizer = make_optimizer(settings, self.model, self._has_order)
        self.steps = JaxSteps(
            self.model,
            self.optimizer,
            devices,
            micro_batches=settings.micro_batches,
            seed=settings.seed,
            depth_weights=depth_weights_of(settings, self.model),
        )

    def values(self) -> dict:
        """All that a checkpoint holds, name -> array."""
        self.steps.put_back()
        return values_of(self.model, self.optimizer)

    def assign(self, values):
        """Puts `values` back."""
        self.steps.put_back()
        assign_values(self.model, self.optimizer, values)

    def averaged(self):
        """A context in which the model has the weights to score and to ship; see `ema`."""
        self.steps.put_back()
        return averages_in_place(self.model, self.optimizer)

    def matrix_peak(self) -> float:
        """Operations a second that all devices can do at best, measured on the first."""
        on_accelerator = jax.devices()[0].platform != "cpu"
        here = matrix_peak(self.model.backbone.compute_dtype, on_accelerator)
        return here * (self.num_devices if on_accelerator else 1)

    def train_batches(self, first_step):
        """The endless batches of training from a step on."""
        return self._read(TRAIN, start_step=first_step)

    def held_out_batches(self):
        """One pass over the held-out rows, or over the first `eval_batches` batches of them."""
        return itertools.islice(self._read(HELD_OUT), self.settings.eval_batches)

    def errors_named(self):
        """Nothing is to be named: damaged records name themselves."""
        return contextlib.nullcontext()

    def sum_of_workers(self, number) -> int:
        """The number itself, since there is one worker."""
        return number

    def _read(self, split, **position):
        return map(
            self._weigh_order,
            numpy_batches(self.records, split, **batch_settings(self.settings), **position),
        )

    def _weigh_order(self, batch):
        """Rows that fill a batch up have no sentence order, and without an objective none has."""
        counts = batch["padding_mask"][:, 0].astype(np.float32)
        return {**batch, "sentence_order_weights": counts if self._has_order else 0.0 * counts}
