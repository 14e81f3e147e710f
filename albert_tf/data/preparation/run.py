"""Prepares a corpus on this machine: many processes, resumable, the same bytes every time.

First each task (a few files, or a part of one) leaves a spill of its rows; then each shard is
put together out of all spills. Everything is staged in `OUT.partial`, and takes the name `OUT`
when all is done. The same command goes on where a killed one stopped.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from albert_tf.data.preparation.corpus import deal_tasks, find_files, is_remote
from albert_tf.data.preparation.manifest import build_manifest
from albert_tf.data.preparation.plan import check_held_out, check_shards, plan_of
from albert_tf.data.preparation.progress import PreparationProgress
from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.data.preparation.shards import shard_name
from albert_tf.data.preparation.spills import read_counts
from albert_tf.data.preparation.staged import StagedPreparation
from albert_tf.data.preparation.workers import Workers, assemble_shard, spill_task
from albert_tf.staging import FULL, DiskFull, refuse_existing
from albert_tf.text.vocabulary import read_vocabulary


def prepare(
    texts: Iterable[str | Path],
    vocabulary: str | Path,
    out: str | Path,
    settings: PreparationSettings | None = None,
    *,
    num_workers: int | None = None,
    quiet: bool = True,
) -> dict:
    """Turns text files into shards of pretraining rows.

    Args:
        texts: files, folders and patterns, see `find_files`.
        vocabulary: a SentencePiece `.model` file or a WordPiece `vocab.txt`.
        out: the new directory.
        settings: see `PreparationSettings`.
        num_workers: processes; None for one a core. The bytes do not depend on it.
        quiet: shows no progress.

    Returns:
        The manifest, which stands in `out` as `manifest.json`.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError, ValueError: the text, the vocabulary or the settings are of no use.
        DiskFull: what is finished stays, and the same call goes on.
    """
    if is_remote(str(out)):
        raise ValueError(f"Only Beam writes to other file systems: got {out}. Give a --runner.")
    settings, out = settings or PreparationSettings(), Path(out)
    if num_workers is not None and num_workers < 1:
        raise ValueError(f"workers must be 1 or more: got {num_workers}.")
    refuse_existing(out)
    vocabulary = read_vocabulary(vocabulary)
    files = find_files(texts, settings.format)
    check_held_out(files, settings)
    tasks, staged = deal_tasks(files), StagedPreparation(out)
    num_workers = num_workers or len(os.sched_getaffinity(0))
    try:
        with (
            staged.open(plan_of(files, vocabulary.proto, settings)),
            PreparationProgress(quiet) as progress,
            Workers(num_workers, settings, vocabulary.proto) as workers,
        ):
            counts = _spill(tasks, staged, settings, workers, progress)
            check_shards(counts, settings, staged.discard)
            entries = _assemble(len(tasks), staged, settings, workers, progress)
            manifest = build_manifest(settings, vocabulary, counts, entries)
            staged.finish(manifest, vocabulary)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DiskFull(
            error.errno,
            f"The disk is full: {staged.path} could not be written to the end. What is finished "
            "stays there: make room and give the same command again. A preparation takes about "
            "twice the space of its records.",
        ) from error
    return manifest


def _spill(tasks, staged, settings, workers, progress):
    """Does the tasks that no earlier run did; gives the counts of all."""
    done = [n for n in range(len(tasks)) if staged.spill(n).is_file()]
    total = sum((read_counts(staged.spill(n)) for n in done), Counter())
    progress.begin("reading", len(tasks), len(done))
    calls = {n: (tasks[n], staged.spill(n), settings) for n in range(len(tasks))}
    for n in done:
        del calls[n]
    counts = Counter()
    for _, counts_of_task in workers.run(spill_task, calls):
        counts.update(counts_of_task)
        progress.step(1, counts)
    return total + counts


def _assemble(num_tasks, staged, settings, workers, progress):
    """Writes the shards that no earlier run wrote; gives the manifest entries of each split."""
    spills = [staged.spill(number) for number in range(num_tasks)]
    calls, entries = {}, {}
    for split in SPLITS:
        num_shards = settings.num_shards(split)
        for shard in range(num_shards):
            name = shard_name(split, shard, num_shards)
            entries[name] = staged.entry(name)
            if entries[name] is None:
                calls[name] = (staged.records / name, spills, split, shard, settings)
    progress.begin("writing", len(entries), len(entries) - len(calls))
    for name, entry in workers.run(assemble_shard, calls):
        staged.finish_shard(name, entry)
        entries[name] = entry
        progress.step(1)
    return {s: [entries[n] for n in entries if n.startswith(s + "-")] for s in SPLITS}
