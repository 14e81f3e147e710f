"""The verbs that carry a model elsewhere: another format, an export."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag

# All of them are one batch, and each goes through Keras and the file.
MOST_TEXTS = 200


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a checkpoint in another format: the original's, Hugging Face's, keras_hub's, ours."""

    checkpoint: Path = flag("TF1 prefix or directory, Hugging Face directory, preset, or run")
    out: Path = flag("new directory")
    format: str = flag("to write", choices=("hf", "tf1", "keras_hub", "preset"))
    task: str | None = flag("text_classifier, backbone, ... (default: what it holds)", default=None)
    vocab: Path | None = flag(
        "SentencePiece .model or vocab.txt to put beside the weights", default=None
    )
    dtype: str = flag(
        "of the weights in the file; float16 with hf only",
        choices=("float32", "float16"),
        default="float32",
    )

    def start(self):
        from albert_tf.staging import new_directory, refuse_existing
        from albert_tf.tasks.loading import load_checkpoint
        from albert_tf.tasks.saving import is_wordpiece, save_checkpoint
        from albert_tf.training.run_files import model_folder

        refuse_existing(self.out)
        source = model_folder(self.checkpoint)
        model = load_checkpoint(source, task=self.task)
        tokenizer = self._tokenizer(model, source)
        if self.format == "keras_hub" and self.vocab is None and is_wordpiece(tokenizer):
            print("keras_hub has no tokenizer for a vocab.txt: only weights are written.")
            tokenizer = None
        if self.format == "preset":
            with new_directory(self.out) as staged:
                model.save_to_preset(str(staged))
                if tokenizer is not None:
                    tokenizer.save_to_preset(str(staged))
        else:
            save_checkpoint(model, self.out, self.format, tokenizer, self.dtype)
        print(f"{type(model).__name__} is in {self.out} as {self.format}.")

    def _tokenizer(self, model, source):
        """The vocabulary named, the model's own, or the one beside its weights."""
        from albert_tf.tokenizer import AlbertTokenizer

        if self.vocab is not None:
            return AlbertTokenizer(self.vocab)
        if preprocessor := getattr(model, "preprocessor", None):
            return preprocessor.tokenizer
        return _tokenizer_beside(source)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a trained run as a SavedModel for TF Serving, or as a TFLite file for phones."""

    run: Path = flag("directory that `albert-tf finetune` wrote, or a checkpoint")
    out: Path = flag("directory of versions (saved_model) or new file (tflite)")
    format: str = flag("to write", choices=("saved_model", "tflite"), default="saved_model")
    task: str | None = flag("text_classifier, ... (default: what the run holds)", default=None)
    verify: bool = flag("compare with Keras in a fresh process before publishing", default=False)
    texts: Path | None = flag(
        "real texts to compare on: .txt (one a line), or .tsv, .csv, .jsonl with columns named as "
        "the inputs (text, question, context, choices, ...)",
        default=None,
    )
    top_k: int = flag("words for each mask", default=5)
    num_beams: int | None = flag("of texts that are written; 1 is greedy (1)", default=None)
    length_penalty: float = flag("of beams", default=1.0)
    max_length: int | None = flag(
        "of texts that are written, in tokens (default: as in training)", default=None
    )
    exit_patience: int | None = flag(
        "of a model with --early-exit: leave once so many depths more agree; 0 for all depths "
        "(default: as in the run)",
        default=None,
    )
    version: int | None = flag("of the SavedModel (default: the next one)", default=None)
    pair: bool | None = flag("two texts a request (default: as in the run)", default=None)
    dtype: str = flag("of the SavedModel", choices=("float32", "bfloat16"), default="float32")
    ids_only: bool = flag("a SavedModel without text, for servers without its ops", default=False)
    seq_len: int = flag("fixed input length of a TFLite file, in tokens; 0 for any", default=128)
    batch_size: int = flag("fixed rows of a TFLite file; 0 for any", default=1)
    num_choices: int | None = flag("fixed choices of a TFLite file (default: any)", default=None)
    rolled: bool | None = flag(
        "whether its encoder is a loop, which saves memory (default: yes, but for int8)",
        default=None,
    )
    quantization: str = flag(
        "of a TFLite file",
        choices=("none", "float16", "dynamic", "int8"),
        default="dynamic",
    )
    signatures: tuple[str, ...] = flag(
        "of a TFLite file, out of tokens, features, text", default=("tokens",)
    )
    accuracy_data: Path | None = flag(
        "examples with answers: refuse a TFLite file that scores less than the run", default=None
    )
    max_drop: float = flag("by how much it may score less on --accuracy-data", default=0.01)

    def __post_init__(self):
        if self.accuracy_data is not None and self.format != "tflite":
            raise ValueError(
                "--accuracy-data goes with --format tflite. A SavedModel has the run's weights: "
                "--verify compares it with the run."
            )

    def start(self):
        from albert_tf.data.rows import read_rows
        from albert_tf.exporting.fresh_process import FreshProcessError
        from albert_tf.exporting.mobile.accuracy import AccuracyDropError
        from albert_tf.exporting.tasks import NoExportError
        from albert_tf.exporting.verification import ExportMismatchError
        from albert_tf.models.pretrainer import AlbertPretrainer
        from albert_tf.tasks.loading import load_checkpoint
        from albert_tf.training.run_files import model_folder

        folder = model_folder(self.run)
        model = load_checkpoint(folder, task=self.task)
        self._set_patience(model)
        # A task has a preprocessor where a vocabulary lies beside it.
        tokenizer = _tokenizer_beside(folder) if isinstance(model, AlbertPretrainer) else None
        options = {"top_k": self.top_k, "tokenizer": tokenizer}
        if self.texts is not None:
            rows = read_rows(self.texts)
            columns = {name: rows.column(name)[:MOST_TEXTS] for name in rows.columns}
            options["texts"] = columns
            if len(rows) > MOST_TEXTS:
                print(f"The first {MOST_TEXTS} of {len(rows)} rows are compared.")
        write = self._write_tflite if self.format == "tflite" else self._write_saved_model
        refusals = (ExportMismatchError, FreshProcessError, AccuracyDropError, NoExportError)
        try:
            path = write(model, options)
        except refusals as error:
            raise ValueError(str(error)) from error
        size = sum(f.stat().st_size for f in [path, *path.rglob("*")] if f.is_file())
        print(f"{path}: {size / 1e6:.1f} MB")

    def _set_patience(self, model):
        if self.exit_patience is None:
            return
        from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier

        if not isinstance(model, AlbertEarlyExitClassifier):
            raise ValueError(
                "--exit-patience needs a model with a head at every depth: this one was trained "
                "without --early-exit."
            )
        model.patience = self.exit_patience or None

    def _write_saved_model(self, model, options):
        from albert_tf.exporting.saved_model import export_saved_model

        options |= {"pair": self._is_pair(model) and not self.ids_only, "text": not self.ids_only}
        names = ("num_beams", "length_penalty", "max_length")
        options |= {name: getattr(self, name) for name in names}
        return export_saved_model(
            model, self.out, self.version, dtype=self.dtype, fresh_process=self.verify, **options
        )

    def _write_tflite(self, model, options):
        from albert_tf.exporting.tflite import export_tflite

        return export_tflite(
            model,
            self.out,
            self.quantization,
            self.seq_len or None,
            self.batch_size or None,
            self.rolled,
            num_choices=self.num_choices,
            signatures=self.signatures,
            pair=self._is_pair(model),
            verify=self.verify,
            accuracy=self.accuracy_data and self._accuracy(),
            **options,
        )

    def _is_pair(self, model):
        from albert_tf.tasks.early_exit import AlbertEarlyExitClassifier
        from albert_tf.tasks.text_classifier import AlbertTextClassifier
        from albert_tf.training.run_files import reads_pairs

        if self.pair is not None:
            return self.pair
        # An embedder learns from pairs, too, and reads one text.
        classes = (AlbertTextClassifier, AlbertEarlyExitClassifier)
        return isinstance(model, classes) and reads_pairs(self.run)

    def _accuracy(self):
        from albert_tf.exporting.mobile.accuracy import AccuracyCheck
        from albert_tf.training.evaluation import load_run

        trained = load_run(self.run)
        job, examples = trained.job, trained.read(self.accuracy_data)

        def score(model):
            scores, _ = job.evaluate(model, examples)
            name = next(name for name in scores if job.larger_is_better(name))
            print(f"{name} {scores[name]:.4f} of {len(examples)} examples")
            return scores[name]

        return AccuracyCheck(score, max_drop=self.max_drop)


def _tokenizer_beside(folder):
    """The tokenizer of a model that has no preprocessor; None where no vocabulary lies beside."""
    from albert_tf.checkpoints.files import find_checkpoint, find_vocabulary
    from albert_tf.tasks.sentence_order import tokenizer_beside

    files = find_checkpoint(folder)
    if files.kind == "preset":
        is_there = (files.directory / "tokenizer.json").is_file()
    else:
        is_there = find_vocabulary(files.directory) is not None
    return tokenizer_beside(folder) if is_there else None
