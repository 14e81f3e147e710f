"""A class for every word: entities, parts of speech."""

import keras
import keras_hub
import numpy as np
import tensorflow as tf
from scipy.special import softmax

from albert_tf.data.entities import entities_of, is_entity_tag
from albert_tf.layers.heads import ProjectionHead
from albert_tf.tasks.base import AlbertTask
from albert_tf.tasks.given_rows import is_dataset
from albert_tf.tasks.losses import BY_WEIGHT, ClassCrossentropy
from albert_tf.tasks.raw_batches import outputs_of, raw_batches, refuse_options
from albert_tf.tasks.token_classifier_preprocessor import AlbertTokenClassifierPreprocessor
from albert_tf.tasks.weighted import WeightedAnswers


@keras.saving.register_keras_serializable("albert_tf")
class AlbertTokenClassifier(WeightedAnswers, AlbertTask, keras_hub.models.Task):
    """One product on each token of the sequence output; a word's first piece speaks for it.

    Args:
        backbone: `AlbertBackbone`, with or without a pooler.
        num_classes: number of labels.
        preprocessor: `AlbertTokenClassifierPreprocessor`, or None to take arrays.
        class_names: texts to answer with, one a label: `O`, `B-person`, `I-person`, ... for
            entities, any names for labels of single words.
        dropout: on the sequence output, in [0, 1).

    Returns (call): float32 logits `(batch, seq_len, num_classes)`, not normalized.

    With a preprocessor, `fit`, `evaluate` and `predict` take texts, or `{"words": lists of
    words}`, and `y` is for each text a list of labels, one a word: class names or their indices.
    `predict` gives a list with one array a text, float32 `(num_words, num_classes)`, of logits;
    rows of words that have no piece are NaN. `entities` gives answers for people.

    Without one, `y` is int `(batch, seq_len)`; tokens are left out by a `sample_weight` of 0.
    """

    preprocessor_cls = AlbertTokenClassifierPreprocessor
    reads_pooler = False

    def __init__(
        self, backbone, num_classes, preprocessor=None, class_names=None, dropout=0.1, **kwargs
    ):
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"class_names must have one name for each of the {num_classes} classes: got "
                f"{len(class_names)}, {list(class_names)}."
            )
        head = ProjectionHead(
            backbone.albert_config,
            num_classes,
            dropout=dropout,
            dtype=backbone.dtype_policy,
            name="classifier",
        )
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.check_preprocessor(preprocessor)
        self.head = head
        self.num_classes = num_classes
        self.class_names = None if class_names is None else [str(name) for name in class_names]
        self.dropout = dropout
        outputs = head(backbone(backbone.input)["sequence_output"])
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def default_loss(self):
        return ClassCrossentropy(reduction=BY_WEIGHT)

    def default_weighted_metrics(self):
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def fit(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Trains; see the class, and `AlbertTask.fit`."""
        x, y, sample_weight = self._rows(x, y, sample_weight)
        if isinstance(kwargs.get("validation_data"), (tuple, list)):
            kwargs["validation_data"] = self._rows(*kwargs["validation_data"])
        return super().fit(x, y, batch_size, sample_weight, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, sample_weight=None, **kwargs):
        """Loss and share of right words; see the class."""
        if not kwargs.get("_use_cached_eval_dataset"):
            x, y, sample_weight = self._rows(x, y, sample_weight)
        return super().evaluate(x, y, batch_size, sample_weight, **kwargs)

    def predict(self, x=None, batch_size=None, verbose="auto", **kwargs):
        """Logits: of the words of each text with a preprocessor, else of tokens; see the class."""
        if self.preprocessor is None:
            return super().predict(x, batch_size, verbose=verbose, **kwargs)
        refuse_options(kwargs)
        return [logits for _, logits in self._answers(x, batch_size)]

    def entities(self, x, batch_size=None) -> list[list[dict]]:
        """Finds the entities of texts, or the labels of their words.

        A tag `I-x` that goes on with no entity of type x opens one, as in `conlleval`.

        Args:
            x: texts, as in `predict`.
            batch_size: rows of a batch.

        Returns:
            For each text a list of dictionaries: `text`, the characters `start` to `end` (which
            is exclusive) of the given text; `label`, the type; `score`, the mean probability of
            its words' tags. Where the classes are no entities, each word is one.

        Raises:
            ValueError: the model has no preprocessor, or no names of its classes.
        """
        return [found for found, _ in self.answers(x, batch_size)]

    def answers(self, x, batch_size=None) -> list[tuple[list[dict], np.ndarray]]:
        """For each text what `entities` and what `predict` give."""
        if self.preprocessor is None or self.class_names is None:
            missing = "a preprocessor" if self.preprocessor is None else "class_names"
            raise ValueError(
                f"Entities need a model with {missing}: this one has none. Give it to the "
                "constructor or to from_preset()."
            )
        answers = self._answers(x, batch_size)
        return [(self._found(*divided, logits), logits) for divided, logits in answers]

    def _found(self, text, starts, ends, logits):
        tags = self.tags(logits)
        if all(map(is_entity_tag, self.class_names)):
            spans = entities_of(tags)
        else:
            spans = [(i, i + 1, tag) for i, tag in enumerate(tags) if tag is not None]
        chances = softmax(logits, axis=-1).max(axis=-1, initial=0.0)
        found = []
        for first, last, type in spans:
            start, end = int(starts[first]), int(ends[last - 1])
            score = float(np.nanmean(chances[first:last]))
            found.append(
                {"text": text[start:end], "label": type, "start": start, "end": end, "score": score}
            )
        return found

    def tags(self, logits) -> list[str | None]:
        """The names of the likeliest classes of words; None for a word without a piece."""
        known = ~np.isnan(logits).any(axis=-1)
        best = np.where(known, np.nan_to_num(logits).argmax(axis=-1), -1)
        return [self.class_names[i] if i >= 0 else None for i in best.tolist()]

    def _answers(self, x, batch_size):
        """For each text, its text with the places of its words, and the logits of the words."""
        found = {}
        for indices, batch in raw_batches(self._rows(x)[0], batch_size):
            divided = self.preprocessor.divide(batch)
            inputs = self.preprocessor(divided)
            logits = outputs_of(self, {n: inputs[n] for n in self.input})
            word_ids, row_ids = inputs["word_ids"].numpy(), inputs["row_ids"].numpy()
            texts = [text.decode("utf-8", "replace") for text in divided["text"].numpy()]
            places = (divided[name].to_list() for name in ("word_starts", "word_ends"))
            for i, row in enumerate(zip(texts, *places, strict=True)):
                answer = np.full((len(row[1]), self.num_classes), np.nan, np.float32)
                windows = word_ids[row_ids == i]
                answer[windows[windows >= 0]] = logits[row_ids == i][windows >= 0]
                found[indices[i]] = row, answer
        return [found[i] for i in range(len(found))]

    def _rows(self, x, y=None, sample_weight=None):
        """Texts with the places of their words, labels and weights as ragged tensors."""
        if self.preprocessor is None or is_dataset(x):
            return x, y, sample_weight
        if isinstance(x, dict):
            kinds = {"words": tf.string}
            x = {name: _nested(rows, kinds.get(name)) for name, rows in x.items()}
        x = self.preprocessor.divide(x)
        if isinstance(y, list):
            y = _nested([self._label_ids(row) for row in y], tf.int32)
        if isinstance(sample_weight, list) and isinstance(sample_weight[0], (list, tuple)):
            sample_weight = _nested(sample_weight, tf.float32)
        return x, y, sample_weight

    def _label_ids(self, row):
        index_of = {name: index for index, name in enumerate(self.class_names or ())}
        unknown = [label for label in row if isinstance(label, str) and label not in index_of]
        if unknown:
            raise ValueError(
                f"Labels must be indices of classes, or their names ({', '.join(index_of)}): got "
                f"{unknown[0]!r}."
            )
        return [index_of.get(label, label) for label in row]

    def get_config(self):
        return super().get_config() | {
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "dropout": self.dropout,
        }


def _nested(rows, dtype):
    if not isinstance(rows, (list, tuple)) or isinstance(next(iter(rows), None), (str, bytes)):
        return rows
    return tf.ragged.constant([list(row) for row in rows], dtype, ragged_rank=1)
