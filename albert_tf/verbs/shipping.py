"""The verbs that carry a model elsewhere: another format, an export."""

from dataclasses import dataclass
from pathlib import Path

from albert_tf.training.fields import flag


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Write a checkpoint in another format: the original's, Hugging Face's, keras_hub's, ours."""

    checkpoint: Path = flag("TF1 prefix or directory, Hugging Face directory, preset, or run")
    out: Path = flag("new directory")
    format: str = flag("to write", choices=("hf", "tf1", "keras_hub", "preset"))
    task: str | None = flag("text_classifier, backbone, ... (default: what it holds)", default=None)
    vocab: Path | None = flag("SentencePiece .model to put beside the weights", default=None)
    dtype: str = flag(
        "of the weights in the file; float16 with hf only",
        choices=("float32", "float16"),
        default="float32",
    )

    def start(self):
        from albert_tf.staging import new_directory, refuse_existing
        from albert_tf.tasks.loading import load_checkpoint
        from albert_tf.tasks.saving import save_checkpoint
        from albert_tf.training.run_files import model_folder

        refuse_existing(self.out)
        source = model_folder(self.checkpoint)
        model = load_checkpoint(source, task=self.task)
        tokenizer = self._tokenizer(model, source)
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
        from albert_tf.checkpoints.files import find_checkpoint, find_vocabulary
        from albert_tf.tokenizer import AlbertTokenizer

        if self.vocab is None:
            if preprocessor := getattr(model, "preprocessor", None):
                return preprocessor.tokenizer
            found = find_vocabulary(find_checkpoint(source).directory)
            return found and AlbertTokenizer(found)
        return AlbertTokenizer(self.vocab)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a trained run as a SavedModel for TF Serving, or as a TFLite file."""

    run: Path = flag("directory that `albert-tf finetune` wrote, or a checkpoint")
    out: Path = flag("directory of versions (saved_model) or new file (tflite)")
    format: str = flag("to write", choices=("saved_model", "tflite"), default="saved_model")
    version: int | None = flag("of the SavedModel (default: the next one)", default=None)
    pair: bool | None = flag("two texts a request (default: as in the run)", default=None)
    dtype: str = flag("of the SavedModel", choices=("float32", "bfloat16"), default="float32")
    seq_len: int = flag("fixed input length of a TFLite file, in tokens", default=128)
    quantization: str = flag(
        "of a TFLite file", choices=("none", "float16", "dynamic"), default="none"
    )

    def start(self):
        from albert_tf.tasks.loading import load_checkpoint
        from albert_tf.training.run_files import model_folder, reads_pairs

        model = load_checkpoint(model_folder(self.run))
        if self.format == "tflite":
            from albert_tf.exporting.tflite import export_tflite

            path = export_tflite(model, self.out, self.quantization, self.seq_len)
        else:
            from albert_tf.exporting.saved_model import export_saved_model

            pair = reads_pairs(self.run) if self.pair is None else self.pair
            path = export_saved_model(model, self.out, self.version, pair=pair, dtype=self.dtype)
        size = sum(f.stat().st_size for f in [path, *path.rglob("*")] if f.is_file())
        print(f"{path}: {size / 1e6:.1f} MB")
