"""Masked words, without sentence order: training on raw text, filling masks, scoring sentences."""

from pathlib import Path

import keras
import keras_hub
import numpy as np
import tensorflow as tf

from albert_tf.checkpoints.files import read_json
from albert_tf.layers.heads import MaskedLMHead
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.fill_mask import fill_masks
from albert_tf.tasks.given_rows import BATCH_SIZE
from albert_tf.tasks.losses import BY_WEIGHT, ClassCrossentropy
from albert_tf.tasks.masked_lm_preprocessor import AlbertMaskedLMPreprocessor
from albert_tf.tasks.pseudo_likelihood import pseudo_log_likelihoods
from albert_tf.tasks.raw_batches import outputs_of, raw_batches, refuse_options
from albert_tf.tasks.weighted import WeightedAnswers
from albert_tf.text.nested import as_text


@keras.saving.register_keras_serializable("albert_tf")
class AlbertMaskedLM(WeightedAnswers, AlbertTask, keras_hub.models.MaskedLM):
    """Scores the vocabulary at masked positions (original: `get_masked_lm_output`).

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.
        preprocessor: `AlbertMaskedLMPreprocessor`, or None to take arrays.

    Call arguments: a dictionary of the backbone's inputs and
        mask_positions: int `(batch, num_masked)`, in [0, seq_len).

    Returns: float32 `(batch, num_masked, vocab_size)`, not normalized.

    With a preprocessor, `fit` and `evaluate` take texts alone and set the masks themselves, in
    `fit` others in each epoch, by the seed of NumPy (`keras.utils.set_random_seed`); `predict`
    takes texts with `[MASK]` and gives a list with one array a text, float32 `(num_masks,
    vocab_size)`. `fill` and `score` give answers for people.

    Arrays are taken too: `y` int `(batch, num_masked)`, the pieces that were there, and
    `sample_weight` `(batch, num_masked)`, 0 for padded positions.
    """

    preprocessor_cls = AlbertMaskedLMPreprocessor
    reads_pooler = False

    def __init__(self, backbone, preprocessor=None, **kwargs):
        config, dtype = backbone.albert_config, backbone.dtype_policy
        head = MaskedLMHead(config, backbone.embeddings, dtype=dtype, name="masked_lm_head")
        positions = keras.Input((None,), dtype="int32", name="mask_positions")
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.masked_lm_head = head
        outputs = head(backbone(backbone.input)["sequence_output"], positions)
        super().__init__(
            inputs={**backbone.input, "mask_positions": positions}, outputs=outputs, **kwargs
        )

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """As `AlbertTask.from_preset`; a preset of an `AlbertPretrainer` brings its head along."""
        model = super().from_preset(preset, load_weights=load_weights, **kwargs)
        saved = Path(preset) / "task.json"
        if not load_weights or not saved.is_file():
            return model
        if read_json(saved)["registered_name"] == "albert_tf>AlbertPretrainer":
            from albert_tf.tasks.loading import load_checkpoint

            head = load_checkpoint(preset, "pretrainer").masked_lm_head
            for ours, theirs in zip(model.masked_lm_head.weights, head.weights, strict=True):
                ours.assign(theirs)
        return model

    def _needs_answers(self, x):
        return isinstance(x, dict)  # texts are masked

    def default_loss(self):
        return ClassCrossentropy(reduction=BY_WEIGHT)

    def default_weighted_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="masked_lm_accuracy")]

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains; see the class, and `AlbertTask.fit`."""
        if not self._sets_masks(x, y):
            return super().fit(x, y, batch_size, sample_weight, **kwargs)
        split = kwargs.pop("validation_split", None)
        if split and kwargs.get("validation_data") is None:
            x = as_text(x)
            cut = len(x) - int(np.ceil(len(x) * split))
            x, kwargs["validation_data"] = x[:cut], x[cut:]
        held_out = kwargs.get("validation_data")
        if isinstance(held_out, tuple) and len(held_out) == 1:
            held_out = held_out[0]
        if held_out is not None and self._sets_masks(held_out, None):
            kwargs["validation_data"] = self._masked(held_out, batch_size, is_training=False)
        shuffle = kwargs.pop("shuffle", True)
        return super().fit(self._masked(x, batch_size, shuffle=shuffle), **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and share of pieces found; of texts, the same masks every time."""
        if not kwargs.get("_use_cached_eval_dataset") and self._sets_masks(x, y):
            x, batch_size = self._masked(x, batch_size, is_training=False), None
        return super().evaluate(x, y, batch_size, sample_weight, **kwargs)

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Logits of masks; see the class."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        refuse_options(kwargs)
        found = {}
        x = x if isinstance(x, tf.data.Dataset) else as_text(x)
        for indices, batch in raw_batches(x, batch_size):
            inputs = self.preprocessor(batch)
            counts = tf.reduce_sum(inputs.pop("mask_weights"), axis=1).numpy().astype(int)
            logits = outputs_of(self, inputs)
            rows = zip(indices.tolist(), logits, counts, strict=True)
            found |= {index: row[:count] for index, row, count in rows}
        return [found[index] for index in range(len(found))]

    def fill(self, texts, top_k=5, batch_size=None) -> list[dict]:
        """Finds words for the masks of texts; see `fill_mask.fill_masks`."""
        return fill_masks(self, texts, top_k, batch_size)

    def score(self, texts, batch_size=64) -> list[dict]:
        """How likely texts are; see `pseudo_likelihood.pseudo_log_likelihoods`."""
        return pseudo_log_likelihoods(self, texts, batch_size)

    def preprocess_samples(self, x, y=None, sample_weight=None):
        # Rows with answers were masked before.
        if self.preprocessor is None or y is not None:
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        return self.preprocessor(x)

    def _sets_masks(self, x, y):
        """Whether `x` is text to set masks in, rather than rows that have them."""
        if self.preprocessor is None or y is not None or isinstance(x, (dict, tuple)):
            return False
        if isinstance(x, tf.data.Dataset):
            return isinstance(x.element_spec, tf.TensorSpec)
        return not isinstance(x, keras.utils.PyDataset)

    def _masked(self, x, batch_size, is_training=True, shuffle=False):
        """Texts as a dataset of masked rows; in training every pass over it masks anew."""
        if isinstance(x, tf.data.Dataset):
            # No batch is larger than the first.
            size = x.element_spec.shape[0] or int(next(iter(x)).shape[0])
        else:
            x = as_text(x)
            size = min(batch_size or BATCH_SIZE, len(x))
            x = tf.data.Dataset.from_tensor_slices(x)
            x = (x.shuffle(len(x)) if shuffle else x).batch(size)
        seed = np.random.randint(2**31) if is_training else 0
        keys = tf.data.Dataset.random(seed, rerandomize_each_iteration=is_training)

        def mask(texts, key):
            # Rows of no text, which count nothing, fill the last batch: masking wants to know
            # how many there are.
            texts = tf.concat([texts, tf.fill([size - tf.shape(texts)[0]], "")], axis=0)
            return self.preprocessor.mask(tf.ensure_shape(texts, (size,)), key)

        return tf.data.Dataset.zip((x, keys)).map(mask, tf.data.AUTOTUNE).prefetch(2)
