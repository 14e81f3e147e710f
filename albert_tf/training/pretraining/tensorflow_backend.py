"""A pretraining run on TensorFlow: the model on its devices, its updates, its batches."""

import contextlib
import functools

import keras
import tensorflow as tf

from albert_tf.data.record_set import HELD_OUT, TRAIN
from albert_tf.data.records import batches, damage_named
from albert_tf.training.pretraining.optimizer import depth_weights_of, make_optimizer
from albert_tf.training.pretraining.settings import batch_settings, check_batch
from albert_tf.training.pretraining.starting_model import starting_model
from albert_tf.training.pretraining.strategies import Workers, open_strategy
from albert_tf.training.pretraining.tensorflow_steps import TensorFlowSteps
from albert_tf.training.pretraining.throughput import matrix_peak
from albert_tf.training.pretraining.variables import assign_values, averages_in_place, values_of


class TensorFlowBackend:
    """What a run needs of the library that computes it; `JaxBackend` is the other one.

    Args:
        settings: `PretrainSettings`.
        records: `RecordSet`.

    Attributes:
        model, optimizer: as the settings want them, the optimizer built.
        num_devices: replicas that share a batch.
        is_chief: whether this process is the one that writes.
        num_workers: processes that work together.

    Raises:
        ValueError: settings, start and records do not fit together.
    """

    def __init__(self, settings, records):
        self.settings, self.records = settings, records
        self._has_order = records.objective != "none"
        self.strategy = open_strategy(settings.strategy)
        self._workers = Workers(self.strategy)
        self.num_workers, self.is_chief = self._workers.count, self._workers.is_chief
        self.num_devices = self.strategy.num_replicas_in_sync
        check_batch(settings, self.num_devices)
        keras.utils.set_random_seed(settings.seed)
        with self._workers.losses_named(), self.strategy.scope():
            self.model = starting_model(settings, records)
            self.optimizer = make_optimizer(settings, self.model, self._has_order)
        self.steps = TensorFlowSteps(
            self.model,
            self.optimizer,
            self.strategy,
            micro_batches=settings.micro_batches,
            seed=settings.seed,
            depth_weights=depth_weights_of(settings, self.model),
            jit_compile=settings.jit_compile,
        )

    def values(self) -> dict:
        """All that a checkpoint holds, name -> array."""
        return values_of(self.model, self.optimizer)

    def assign(self, values):
        """Puts `values` back."""
        assign_values(self.model, self.optimizer, values)

    def averaged(self):
        """A context in which the model has the weights to score and to ship; see `ema`."""
        return averages_in_place(self.model, self.optimizer)

    def matrix_peak(self) -> float:
        """Operations a second that all devices can do at best, measured on the first."""
        on_accelerator = bool(tf.config.list_logical_devices("GPU"))
        here = matrix_peak(self.model.backbone.compute_dtype, on_accelerator)
        # The logical devices of a processor share it.
        return here * (self.num_devices if on_accelerator else self.num_workers)

    def train_batches(self, first_step):
        """The endless batches of training from a step on, dealt out to the replicas."""
        return iter(self._dealt(TRAIN, start_step=first_step))

    def held_out_batches(self):
        """One pass over the held-out rows, or over the first `eval_batches` batches of them."""
        return iter(self._held_out)

    @functools.cached_property
    def _held_out(self):
        return self._dealt(HELD_OUT)

    @contextlib.contextmanager
    def errors_named(self):
        """Within it, damaged records and lost workers are told by name."""
        with self._workers.losses_named(), damage_named(self.records):
            yield

    def sum_of_workers(self, number) -> int:
        """Adds a whole number of each worker; all of them must call it."""
        return self._workers.sum(number)

    def _dealt(self, split, **position):
        """Gives each replica its rows of every batch, the same rows for any number of workers."""

        def read(context):
            workers = context.num_input_pipelines
            rows = self._read(split, (context.input_pipeline_id, workers), **position)
            replicas = context.num_replicas_in_sync // workers
            own = self.settings.batch_size // context.num_replicas_in_sync
            return rows if replicas == 1 else rows.rebatch(own)

        return self.strategy.distribute_datasets_from_function(read)

    def _read(self, split, shard, **position):
        dataset = batches(
            self.records, split, shard=shard, **batch_settings(self.settings), **position
        )
        if split == HELD_OUT and self.settings.eval_batches is not None:
            dataset = dataset.take(self.settings.eval_batches)
        return dataset.map(self._weigh_order)

    @tf.autograph.experimental.do_not_convert
    def _weigh_order(self, batch):
        """Rows that fill a batch up have no sentence order, and without an objective none has."""
        counts = tf.cast(batch["padding_mask"][:, 0], tf.float32)
        return {**batch, "sentence_order_weights": counts if self._has_order else 0.0 * counts}
