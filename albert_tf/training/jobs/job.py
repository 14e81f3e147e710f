"""What the training loop, the verbs and the table of tasks ask of a family of tasks."""

from pathlib import Path

from albert_tf.tasks.loading import task_class
from albert_tf.training.jobs.rows import write_rows
from albert_tf.training.jobs.starts import task_on
from albert_tf.training.report import Compared


class Job:
    """Base of all families: data, model, answers, scores and files of one kind of task.

    A family is a frozen dataclass on this class. Its fields are options, and so are the keyword
    arguments of its `build`; the flags of `albert-tf finetune` that bear such a name reach it.
    It must have `read_data`, `build`, `batches`, `answer` and `score`; the rest has defaults.

    Class attributes:
        model_class: short word of the class of its models, as in `tasks.loading.TASKS`.
        answer_key: key of an answer's row under which the answer itself stands.
        is_trained: False where the family only asks models that were pretrained.
        scores_a_copy: whether scoring would disturb a model in training, as `model.evaluate` does,
            which begins Keras's running means anew.
        wants_full_batches: whether all batches of a training must be of one size.
    """

    model_class = ""
    answer_key = "prediction"
    is_trained = True
    scores_a_copy = False
    wants_full_batches = False

    def read(self, settings):
        """Reads `settings.train` and `settings.dev`; the latter's part is None where dev is None.

        Raises:
            FileNotFoundError, ValueError: see `read_data`.
        """
        train = self.read_data(settings.train)
        names, dev = getattr(train, "class_names", None), None
        if settings.dev is not None:
            dev = self.read_data(settings.dev, class_names=names)
        return self.to_train_on(train), dev

    def read_data(self, path, with_answers=True, class_names=None):
        """Reads one file.

        Args:
            path: the file.
            with_answers: False to leave the answers unread.
            class_names: what a model knows to answer; None to collect it from the file.

        Returns:
            The examples: a dataclass with `len()` and `take(indices)`.
        """
        raise NotImplementedError

    def ask(self, **given):
        """Examples from the command line, such as `text=[...]`.

        Raises:
            ValueError: something that the family does not ask for, or lacks.
        """
        raise ValueError(
            f"{type(self).__name__} answers files: name one with --file instead of "
            f"{', '.join('--' + name.replace('_', '-') for name in given)}."
        )

    def texts(self, examples) -> list[str]:
        """All texts of examples, for training a vocabulary."""
        return examples.texts

    def to_train_on(self, examples):
        """Those of the training examples that a model can learn from."""
        return examples

    def build(self, start, examples, **options):
        """The model for the answers of `examples`, on `start`; see `task_on`."""
        raise NotImplementedError

    def load(self, path, dtype=None):
        """A trained model, from the directory of its preset or a published checkpoint.

        Raises:
            FileNotFoundError: there is no model.
            ValueError: it is of another class, or has no vocabulary.
        """
        return task_on(task_class(self.model_class), str(path), dtype=dtype)

    def loss(self, model):
        """What to hand to `compile` as the loss."""
        return "auto"

    def names_of(self, model):
        """What a model knows to answer, to read data by; None where there is no such list."""
        return getattr(model, "class_names", None)

    def fitted_to(self, model) -> "Job":
        """This job with what a trained model itself says about the data."""
        return self

    def batches(self, examples, *, batch_size, epochs=1, seed=0):
        """Raw batches for `fit`; see `training_rows`."""
        raise NotImplementedError

    def answer(self, model, examples, batch_size=32) -> list[dict]:
        """What the model says of each example: dictionaries that a person can read."""
        raise NotImplementedError

    def score(self, rows, examples) -> dict[str, float]:
        """Scores of answers; the first one picks the best weights, and larger is better."""
        raise NotImplementedError

    def evaluate(self, model, examples, batch_size=32):
        """The scores of a model, and its answers."""
        rows = self.answer(model, examples, batch_size)
        return self.score(rows, examples), rows

    def larger_is_better(self, name) -> bool:
        """Whether a score is one."""
        return True

    def baselines(self, train, dev, model) -> dict[str, dict[str, float]]:
        """What it takes no model to score: name of the way -> scores, as `score` names them."""
        return {}

    def compare(self, row) -> Compared | None:
        """An answer beside what was expected, for the report; None where that is not known."""
        return None

    def finish(self, model, scores):
        """Sets on the best model what its dev scores decide beside the weights."""

    def describe(self, model, train, dev) -> dict:
        """What a user wants to know of the data before the training, as JSON values."""
        return {}

    def rows_an_example(self, examples) -> int:
        """Rows that the encoder reads for the largest example."""
        return 1

    def num_cut(self, model, examples) -> int:
        """How many examples are longer than the model reads."""
        return 0

    def write(self, rows, directory, examples=None):
        """Writes the answers into a directory, in the official form where there is one.

        Args:
            rows: from `answer`.
            directory: an existing one.
            examples: what was asked, where a file tells more than the rows.
        """
        write_rows(rows, Path(directory) / "predictions.jsonl")

    def line(self, row) -> str:
        """One answer as a line for people."""
        return f"{row[self.answer_key]}"
