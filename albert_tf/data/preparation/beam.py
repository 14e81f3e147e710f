"""Prepares a corpus on Apache Beam: the same rows, the same bytes, on a cluster.

The tasks are those of a local run. Their rows travel in blocks (`blocks.py`), grouped by shard,
and each shard is written by whoever gets its blocks. Paths may be those of any file system that
Beam knows, such as `gs://bucket/folder`. Needs the extra `albert-tf[data]`.
"""

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from albert_tf.data.preparation.blocks import blocks_of, count_rows, sorted_portions, sorted_rows
from albert_tf.data.preparation.corpus import deal_tasks, find_files, is_remote
from albert_tf.data.preparation.manifest import MANIFEST, build_manifest
from albert_tf.data.preparation.plan import check_held_out, check_shards, plan_of
from albert_tf.data.preparation.rows import RowMaker
from albert_tf.data.preparation.settings import PreparationSettings
from albert_tf.data.preparation.shards import shard_name, write_shard
from albert_tf.data.preparation.staged import StagedPreparation
from albert_tf.staging import refuse_existing
from albert_tf.text.vocabulary import read_vocabulary

RUNNERS = ("DirectRunner", "DataflowRunner", "FlinkRunner", "SparkRunner")
# Beam's DirectRunner tries to download another runner first, which knows no number of workers.
_DIRECT = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


def prepare_with_beam(
    texts: Iterable[str | Path],
    vocabulary: str | Path,
    out: str | Path,
    settings: PreparationSettings,
    runner: str,
    beam_options: Iterable[str] = (),
) -> dict:
    """Does what `prepare` does, on a Beam runner; waits for the end.

    Args:
        texts, out: see `prepare`; also paths of Beam's file systems. On those `out` is written
            in place, its manifest last: without it the records are not whole.
        vocabulary: a local SentencePiece `.model` file or WordPiece `vocab.txt`.
        settings: see `PreparationSettings`.
        runner: one of `RUNNERS`.
        beam_options: options of Beam and of the runner, as `name=value` or `name`.

    Returns:
        The manifest.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError, ValueError: the text, the vocabulary or the settings are of no use.
        ChildProcessError: the pipeline failed; the message has the reason.
    """
    vocabulary = read_vocabulary(vocabulary)
    options = pipeline_options(runner, beam_options)
    FileSystems.set_options(options)
    files = find_files(texts, settings.format, _match)
    check_held_out(files, settings)
    out = str(out)
    place = _RemotePlace(out) if is_remote(out) else _LocalPlace(out)
    with place.open(plan_of(files, vocabulary.proto, settings)):
        pipeline = beam.Pipeline(options=options)
        build_pipeline(pipeline, deal_tasks(files), settings, vocabulary.proto, place)
        try:
            pipeline.run().wait_until_finish()
        except RuntimeError as error:  # carries the whole traceback of a worker as its text
            reason = str(error).strip().rpartition("\n")[2]
            raise ChildProcessError(f"The pipeline failed on {runner}: {reason}") from error
        result = json.loads(place.read("result.json"))
        counts = Counter(result["counts"])
        check_shards(counts, settings, place.discard)
        manifest = build_manifest(settings, vocabulary, counts, result["entries"])
        place.finish(manifest, vocabulary)
    return manifest


def pipeline_options(runner: str, beam_options: Iterable[str]) -> PipelineOptions:
    """Makes Beam's options of `name=value` texts.

    Raises:
        ValueError: an option that Beam does not know.
    """
    flags = [f"--runner={_DIRECT if runner == RUNNERS[0] else runner}"]
    flags += [f"--{option.lstrip('-')}" for option in beam_options]
    options = PipelineOptions(flags)
    known = options.get_all_options(drop_default=False)
    for flag in flags:
        name = flag[2:].partition("=")[0]
        if name not in known and name.replace("-", "_") not in known:
            raise ValueError(
                f"Options of Beam must be ones that it knows: got {name!r}. See "
                "https://beam.apache.org/documentation/programming-guide/#configuring-pipeline-options."
            )
    return options


def build_pipeline(pipeline, tasks, settings: PreparationSettings, proto: bytes, place):
    """Adds the steps of a preparation to a pipeline; the last one writes `result.json`."""
    made = (
        pipeline
        | "tasks" >> beam.Create(tasks)
        | "spread" >> beam.Reshuffle()
        | "make rows" >> beam.ParDo(MakeRows(settings, proto)).with_outputs("counts", main="blocks")
    )
    counts = made.counts | "sum counts" >> beam.CombineGlobally(sum_counts)
    entries = (
        made.blocks
        | "by shard" >> beam.GroupByKey()
        | "write shards" >> beam.ParDo(WriteShard(settings, place))
    )
    _ = (
        pipeline
        | "end" >> beam.Create([None])
        | "write result"
        >> beam.Map(
            write_result, place, beam.pvalue.AsSingleton(counts), beam.pvalue.AsList(entries)
        )
    )


class MakeRows(beam.DoFn):
    """Turns a task into blocks, each with the split and number of its shard, and counts."""

    def __init__(self, settings, proto):
        self._settings, self._proto = settings, proto

    def setup(self):
        self._maker = RowMaker(self._settings, self._proto)

    def process(self, task):
        for rows_of_splits, counts in self._maker.rows_of_task(task, _open):
            for split, rows in rows_of_splits.items():
                num_shards = self._settings.num_shards(split)
                for shard, block in blocks_of(sorted_rows([rows]), num_shards):
                    counts[f"rows/{split}/{shard}"] += count_rows(block)
                    yield f"{split}/{shard}", block
            yield beam.pvalue.TaggedOutput("counts", dict(counts))


class WriteShard(beam.DoFn):
    """Writes one shard out of its blocks; gives its split and its entry in the manifest."""

    def __init__(self, settings, place):
        self._settings, self._place = settings, place

    def process(self, blocks_of_shard):
        key, blocks = blocks_of_shard
        split, _, shard = key.partition("/")
        num_shards = self._settings.num_shards(split)
        total = sum(len(block) for block in blocks)
        portions = sorted_portions(blocks, total, int(shard), num_shards)
        yield split, self._place.write(shard_name(split, int(shard), num_shards), portions)


def sum_counts(counts):
    """Adds counts up; a function of its own, so that Beam can send it."""
    return dict(sum(map(Counter, counts), Counter()))


def write_result(_, place, counts, entries):
    """Leaves what the manifest is made of to the process that started the pipeline."""
    of_splits = {}
    for split, entry in sorted(entries, key=lambda item: item[1]["file"]):
        of_splits.setdefault(split, []).append(entry)
    place.write_text("result.json", json.dumps({"counts": counts, "entries": of_splits}))


class _LocalPlace:
    """An output on a file system that all workers share: staged, then named by one rename."""

    def __init__(self, out):
        self._staged = StagedPreparation(Path(out))
        self._out = Path(out)

    @contextlib.contextmanager
    def open(self, plan):
        refuse_existing(self._out)
        with self._staged.open(plan):
            yield

    def write(self, name, portions):
        return write_shard(self._staged.records / name, portions)

    def write_text(self, name, text):
        (self._staged.path / name).write_text(text, encoding="utf-8")

    def read(self, name):
        return (self._staged.path / name).read_text(encoding="utf-8")

    def finish(self, manifest, vocabulary):
        self._staged.finish(manifest, vocabulary)

    def discard(self):
        self._staged.discard()


class _RemotePlace:
    """An output on an object store, where a file appears when it is whole; the manifest last."""

    def __init__(self, out):
        self._out = out.rstrip("/")

    @contextlib.contextmanager
    def open(self, plan):
        if FileSystems.exists(f"{self._out}/{MANIFEST}"):
            raise FileExistsError(
                f"The output must not exist yet: {self._out}/{MANIFEST} does. Choose another name "
                "or remove it first."
            )
        yield

    def write(self, name, portions):
        with tempfile.TemporaryDirectory() as folder:
            entry = write_shard(Path(folder) / name, portions)
            self._put(name, (Path(folder) / name).open("rb"))
        return entry

    def write_text(self, name, text):
        with FileSystems.create(f"{self._out}.partial/{name}") as file:
            file.write(text.encode("utf-8"))

    def read(self, name):
        with _open(f"{self._out}.partial/{name}") as file:
            return file.read()

    def finish(self, manifest, vocabulary):
        with FileSystems.create(f"{self._out}/{vocabulary.file_name}") as file:
            file.write(vocabulary.proto)
        with FileSystems.create(f"{self._out}/{MANIFEST}") as file:
            file.write((json.dumps(manifest, indent=2) + "\n").encode("utf-8"))
        FileSystems.delete([f"{self._out}.partial/result.json"])

    def discard(self):
        """Leaves all: without a manifest it is no whole directory of records."""

    def _put(self, name, source):
        uncompressed = CompressionTypes.UNCOMPRESSED
        with source, FileSystems.create(f"{self._out}/{name}", compression_type=uncompressed) as to:
            while part := source.read(1 << 20):
                to.write(part)


def _open(path):
    """Opens a file of the corpus as it lies there: .gz is unpacked by the reader."""
    return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


def _match(pattern):
    """Finds the files of a pattern or folder of a remote file system: path -> size and time."""
    results = FileSystems.match([pattern, f"{pattern.rstrip('/')}/**"])
    return {
        metadata.path: (metadata.size_in_bytes, int(metadata.last_updated_in_seconds * 10**9))
        for result in results
        for metadata in result.metadata_list
    }
