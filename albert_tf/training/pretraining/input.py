"""The batches of a run, dealt out to the replicas of its strategy."""

import tensorflow as tf

from albert_tf.data.record_set import HELD_OUT, TRAIN
from albert_tf.data.records import batches


class Input:
    """Batches of records for a pretraining run.

    Args:
        settings: `PretrainSettings`.
        records: `RecordSet`.
        strategy: `tf.distribute.Strategy` whose replicas share each batch.
    """

    def __init__(self, settings, records, strategy):
        self.settings = settings
        self.records = records
        self.strategy = strategy

    @property
    def has_held_out(self) -> bool:
        """Whether there are rows to score."""
        split = self.records.splits.get(HELD_OUT)
        return split is not None and split.rows > 0

    def train(self, first_step):
        """The endless batches of training from a step on."""
        return self._deal(TRAIN, start_step=first_step)

    def held_out(self):
        """One pass over the held-out rows, or over the first `eval_batches` of them."""
        return self._deal(HELD_OUT)

    def _deal(self, split, **position):
        """Gives each replica its rows of every batch, the same rows for any number of workers."""

        def read(context):
            workers = context.num_input_pipelines
            replicas = context.num_replicas_in_sync // workers
            rows = self._read(split, (context.input_pipeline_id, workers), **position)
            own = self.settings.batch_size // workers
            return rows if replicas == 1 else rows.rebatch(own // replicas)

        return iter(self.strategy.distribute_datasets_from_function(read))

    def _read(self, split, shard, **position):
        settings = self.settings
        dataset = batches(
            self.records,
            split,
            batch_size=settings.batch_size,
            max_predictions=settings.max_predictions,
            mask_fraction=settings.mask_fraction,
            max_ngram=settings.max_ngram,
            seed=settings.seed,
            shard=shard,
            **position,
        )
        if split == HELD_OUT and settings.eval_batches is not None:
            dataset = dataset.take(settings.eval_batches)
        return dataset.map(self._weigh_order)

    def _weigh_order(self, batch):
        """Rows that fill a batch up have no sentence order, and without an objective none has."""
        counts = batch["padding_mask"][:, 0] if self.records.objective != "none" else 0
        weights = tf.broadcast_to(
            tf.cast(counts, tf.float32), tf.shape(batch["sentence_order_label"])
        )
        return {**batch, "sentence_order_weights": weights}
