"""The verb that finds texts by meaning."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from albert_tf.training.fields import flag

POOLINGS = ("cls", "mean", "max")
PRECISIONS = ("float32", "mixed_bfloat16")


@dataclass(frozen=True, kw_only=True)
class Search:
    """Find the texts of a file that are nearest to a query in meaning."""

    model: Path = flag("run directory, preset or published checkpoint; best a trained embedder")
    file: Path | None = flag("the texts: .txt (one a line), .tsv, .csv or .jsonl", default=None)
    column: str = flag("column of the texts in --file", default="text")
    index: Path | None = flag("search what --save-index wrote, in place of --file", default=None)
    save_index: Path | None = flag("new directory to keep the vectors in", default=None)
    query: tuple[str, ...] = flag("what to look for; without it, lines on stdin", default=())
    top_k: int = flag("texts to show for each query", default=5)
    format: str = flag("of the answers", choices=("table", "jsonl"), default="table")
    pooling: str | None = flag(
        "where the model is no embedder (default: mean)", choices=POOLINGS, default=None
    )
    batch_size: int = flag("texts a batch", default=64)
    precision: str = flag("of the arithmetic", choices=PRECISIONS, default="float32")

    def __post_init__(self):
        if (self.file is None) == (self.index is None):
            raise ValueError("Name the texts with --file, or an index of them with --index.")
        if self.index is not None and self.save_index is not None:
            raise ValueError("--save-index goes with --file: an --index is saved already.")
        for name in ("top_k", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be at least 1: got {getattr(self, name)}."
                )

    def start(self):
        from albert_tf.staging import refuse_existing
        from albert_tf.tasks.semantic_search import TextIndex

        if self.save_index is not None:
            refuse_existing(self.save_index)
        # Before the model: what is wrong with a file is told at once.
        texts = None if self.file is None else self._texts()
        index = None if self.index is None else TextIndex.load(self.index)
        model = load_embedder(self.model, self.pooling, self.precision)
        if index is None:
            index = TextIndex.build(model, texts, self.batch_size)
        else:
            index.check_model(model)
        if self.save_index is not None:
            index.save(self.save_index)
            print(f"{len(index)} texts are in {self.save_index}.", file=sys.stderr)
        queries = self._queries()
        for query, hits in zip(queries, index.search(model, queries, self.top_k), strict=True):
            self._show(query, hits, is_alone=len(queries) == 1)

    def _texts(self):
        from albert_tf.data.tables import read_examples

        return read_examples(self.file, text=self.column, label=None).texts

    def _queries(self):
        if self.query or self.save_index is not None:
            return list(self.query)
        lines = [line.rstrip("\r\n") for line in sys.stdin]
        if not lines:
            raise ValueError("There is nothing to look for: give --query, or lines on stdin.")
        return lines

    def _show(self, query, hits, is_alone):
        if self.format == "jsonl":
            found = [asdict(hit) for hit in hits]
            print(json.dumps({"query": query, "found": found}, ensure_ascii=False))
            return
        if not is_alone:
            print(query)
        for hit in hits:
            print(f"{hit.score:7.4f}  {hit.row + 1:>6}  {' '.join(hit.text.split())}")


def load_embedder(path, pooling=None, precision="float32"):
    """Loads an embedder, or puts a pooling on the backbone of any other model.

    Args:
        path: run directory, preset or published checkpoint.
        pooling: for a model that is no embedder; None for `mean`.
        precision: Keras policy of the arithmetic.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: it has no vocabulary, or it is an embedder of another pooling.
    """
    from albert_tf.checkpoints.files import find_checkpoint, read_json
    from albert_tf.tasks.text_embedder import AlbertTextEmbedder

    run = Path(path) / "model"
    directory = run if run.is_dir() else Path(path)
    files = find_checkpoint(directory)
    saved = files.directory / "task.json"
    is_embedder = (
        files.kind == "preset"
        and saved.is_file()
        and read_json(saved)["registered_name"] == "albert_tf>AlbertTextEmbedder"
    )
    chosen = {} if is_embedder else {"pooling": pooling or "mean"}
    model = AlbertTextEmbedder.from_preset(str(directory), dtype=precision, **chosen)
    if model.preprocessor is None:
        raise ValueError(
            f"{path} holds no vocabulary, and texts need one. Put it beside the model."
        )
    if pooling not in (None, model.pooling):
        raise ValueError(
            f"{path} is an embedder trained with the pooling {model.pooling}: got {pooling}. "
            "Leave --pooling out."
        )
    if not is_embedder:
        print(
            f"{path} was not trained to compare texts: its cosines say little. Train one with "
            "`albert-tf finetune --task embeddings`.",
            file=sys.stderr,
        )
    return model
