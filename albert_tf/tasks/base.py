"""What every task has in common: raw input, the recipe that `compile()` stands for, presets."""

from pathlib import Path

import keras

from albert_tf.checkpoints.files import is_shipped
from albert_tf.config import AlbertConfig
from albert_tf.models.backbone import AlbertBackbone
from albert_tf.models.functional import NamedInputs, Recompiles
from albert_tf.optimizers.defaults import fine_tuning_optimizer, usual_learning_rate
from albert_tf.staging import new_directory, refuse_existing
from albert_tf.tasks.given_rows import (
    as_dataset,
    check_rows,
    is_dataset,
    none_of,
    num_steps,
    split,
)


class AlbertTask(NamedInputs, Recompiles):
    """Mixin of all tasks; stands before the keras_hub class in the list of bases.

    A task is a functional model: backbone, head, and a preprocessor that takes raw strings when
    it is attached. `optimizer="auto"` is AdamW with warm-up and linear decay over the steps of
    the `fit` that comes; each such `fit` starts its schedule and its moments anew.
    """

    backbone_cls = AlbertBackbone
    reads_pooler = True

    @property
    def trainable_variables(self):
        """As in Keras, without a pooler that the task does not read: it gets no gradient."""
        return self._without_idle_pooler(super().trainable_variables)

    @property
    def trainable_weights(self):
        """As in Keras, without a pooler that the task does not read: it gets no gradient."""
        return self._without_idle_pooler(super().trainable_weights)

    def _without_idle_pooler(self, variables):
        pooler = None if self.backbone is None else self.backbone.pooler
        if self.reads_pooler or pooler is None:
            return variables
        idle = {id(variable) for variable in pooler.variables}
        return [variable for variable in variables if id(variable) not in idle]

    def default_loss(self):
        """The loss of `compile(loss="auto")`."""
        raise NotImplementedError

    def default_metrics(self):
        """The metrics of `compile(metrics="auto")`."""
        return []

    def check_preprocessor(self, preprocessor):
        """Raises `ValueError` where a preprocessor does not fit the backbone."""
        config = self.backbone.albert_config
        if preprocessor is None:
            return
        if not (hasattr(preprocessor, "sequence_length") and hasattr(preprocessor, "tokenizer")):
            raise ValueError(
                f"preprocessor must be a {self.preprocessor_cls.__name__}, or act as one: got a "
                f"{type(preprocessor).__name__}. A tokenizer goes into the preprocessor."
            )
        if preprocessor.sequence_length > config.max_position_embeddings:
            raise ValueError(
                f"sequence_length must be at most the {config.max_position_embeddings} positions "
                f"of the model: got {preprocessor.sequence_length}."
            )
        tokenizer = preprocessor.tokenizer
        if tokenizer.proto is not None and tokenizer.vocabulary_size() != config.vocab_size:
            raise ValueError(
                f"The vocabulary must be the model's: got {tokenizer.vocabulary_size()} pieces for "
                f"vocab_size {config.vocab_size}. Use the vocabulary file that the model was "
                "trained with."
            )

    def compile(
        self, optimizer="auto", loss="auto", *, metrics="auto", learning_rate=None, **kwargs
    ):
        """Compiles for training; `"auto"` is the recipe of the task (see the class).

        Args:
            optimizer, loss, metrics, **kwargs: as Keras's.
            learning_rate: highest rate of `optimizer="auto"`; None for 2e-5 from ALBERT-base's
                width on, and for more in narrower models; see `usual_learning_rate`.

        Raises:
            ValueError: a `learning_rate` beside an optimizer, which has its own, or one that is
                not above 0.
        """
        self._schedule_at_fit = optimizer == "auto"
        if learning_rate is not None and not self._schedule_at_fit:
            raise ValueError(
                f'learning_rate goes with optimizer="auto": got {learning_rate} beside '
                f"{optimizer!r}. Give the rate to that optimizer."
            )
        if learning_rate is None:
            learning_rate = usual_learning_rate(self.backbone.albert_config)
        if not learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0: got {learning_rate}.")
        self._peak_learning_rate = learning_rate
        keras.Model.compile(
            self,
            optimizer=fine_tuning_optimizer(1) if optimizer == "auto" else optimizer,
            loss=self.default_loss() if loss == "auto" else loss,
            metrics=self.default_metrics() if metrics == "auto" else metrics,
            **kwargs,
        )

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains on raw strings, arrays or a batched `tf.data.Dataset`; see `keras.Model.fit`.

        Arrays are shuffled before every epoch unless `shuffle=False`.

        Raises:
            ValueError: the number of steps is unknown and the optimizer is the default one, which
                must know where its decay ends.
        """
        if kwargs.get("validation_split") and kwargs.get("validation_data") is None:
            share = kwargs.pop("validation_split")
            x, y, sample_weight, held_out = split(share, x, y, sample_weight)
            kwargs["validation_data"] = held_out
        shuffle = kwargs.pop("shuffle", True)
        check_rows(x, y, self._needs_answers(x))
        dataset = as_dataset(x, y, sample_weight, batch_size, shuffle=shuffle)
        held_out = kwargs.get("validation_data")
        if isinstance(held_out, (tuple, list)):
            kwargs["validation_data"] = as_dataset(*held_out, batch_size=batch_size)
        if self._schedule_at_fit:
            self._compile_for(num_steps(dataset, kwargs))
        if not self.optimizer.built:
            # Built inside of the training step, it makes TensorFlow trace the step twice.
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return super().fit(dataset, shuffle=False, **kwargs)

    def _needs_answers(self, x):
        """Whether raw rows `x` are to be learned from by answers `y`."""
        return True

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras looks at the mean of the replicas' parts of a batch, and fails where one has more
        # rows than another. The part of the first replica tells as much.
        strategy = self.distribute_strategy
        if iterator is not None and strategy.num_replicas_in_sync > 1:
            _, _, batches = next(iter(iterator))
            first_of = lambda parts: strategy.experimental_local_results(parts)[0]  # noqa: E731
            iterator, data_batch = None, keras.tree.map_structure(first_of, next(batches))
        super()._maybe_symbolic_build(iterator, data_batch)

    def _compile_for(self, total_steps):
        config = keras.saving.deserialize_keras_object(self.get_compile_config())
        peak = self._peak_learning_rate
        self.compile(**config | {"optimizer": fine_tuning_optimizer(total_steps, peak)})
        self._schedule_at_fit, self._peak_learning_rate = True, peak

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and metrics on raw strings, arrays or a dataset; see `keras.Model.evaluate`."""
        if not kwargs.get("_use_cached_eval_dataset"):
            check_rows(x, y, self._needs_answers(x))
            x, y, sample_weight = as_dataset(x, y, sample_weight, batch_size), None, None
        return super().evaluate(x, y, sample_weight=sample_weight, **kwargs)

    def predict(self, x=None, batch_size=None, **kwargs):
        """Outputs on raw strings, arrays or a dataset; see `keras.Model.predict`.

        Of no rows there are as many answers, where Keras would fail.
        """
        dataset = as_dataset(x, batch_size=batch_size)
        if not is_dataset(x) and not len(dataset):
            return keras.tree.map_structure(none_of, self.output)
        return super().predict(dataset, **kwargs)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """Builds the task from a preset, or on the backbone of a published checkpoint.

        Args:
            preset: directory that `save_to_preset` wrote; a TF1 checkpoint; a Hugging Face
                directory; the name of a model that comes with the package (`books_small`); with
                `load_weights=False` also that of a configuration (`base`).
            load_weights: False for an untrained model of the same shape.
            **kwargs: arguments of the class; giving the size of the head draws a new head. A
                preset without a vocabulary gives a model without a preprocessor.

        Raises:
            FileNotFoundError: there is no such directory or file.
            ValueError: weights are missing, unexpected or misshapen, or a name has no weights.
        """
        is_name = preset in AlbertConfig.presets() and not Path(preset).exists()
        if is_name and load_weights and not is_shipped(preset):
            raise ValueError(
                f"{preset!r} names a configuration, which has no weights. Give the directory of a "
                "checkpoint, or load_weights=False for an untrained model."
            )
        if is_name and not load_weights:
            dtype = kwargs.pop("dtype", None)
            return cls(AlbertBackbone(AlbertConfig.from_preset(preset), dtype=dtype), **kwargs)
        from albert_tf.tasks.loading import (
            build_task,
            fill_from_preset,
            is_published_checkpoint,
            register_tasks,
        )

        if is_published_checkpoint(preset):
            return build_task(cls, preset, load_weights=load_weights, **kwargs)
        register_tasks()
        if Path(preset).is_dir() and not (Path(preset) / "tokenizer.json").is_file():
            kwargs.setdefault("preprocessor", None)
        if kwargs.get("dtype") is None:
            # What keras_hub means to do for a preset of any float policy, and fails at for the
            # mixed ones: the model computes as the caller's Keras does.
            kwargs["dtype"] = keras.config.dtype_policy()
        task = super().from_preset(str(preset), load_weights=False, **kwargs)
        if load_weights:
            fill_from_preset(Path(preset), task, fresh_head="num_classes" in kwargs)
        return task

    def save_to_preset(self, preset_dir, max_shard_size=10):
        """Writes configuration, weights, preprocessor and vocabulary as a preset directory.

        Raises:
            FileExistsError: `preset_dir` exists and is not empty.
        """
        refuse_existing(preset_dir)
        with new_directory(preset_dir) as staged:
            super().save_to_preset(str(staged), max_shard_size=max_shard_size)
