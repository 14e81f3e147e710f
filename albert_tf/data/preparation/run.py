"""Prepares a corpus on this machine: many processes, resumable, the same bytes every time.

First each task (a few files, or a part of one) leaves a spill of its rows; then each shard is
put together out of all spills. Everything is staged in `OUT.partial`, and takes the name `OUT`
when all is done. The same command goes on where a killed one stopped.
"""

import dataclasses
import errno
import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from albert_tf.data.masking_vocabulary import MaskingVocabulary
from albert_tf.data.preparation.corpus import TextFile, deal_tasks, find_files
from albert_tf.data.preparation.progress import PreparationProgress
from albert_tf.data.preparation.rows import held_out_chance
from albert_tf.data.preparation.settings import SPLITS, PreparationSettings
from albert_tf.data.preparation.shards import (
    VOCABULARY,
    build_manifest,
    shard_name,
    write_manifest,
)
from albert_tf.data.preparation.spills import read_counts
from albert_tf.data.preparation.staged import StagedPreparation
from albert_tf.data.preparation.workers import Workers, assemble_shard, spill_task
from albert_tf.staging import new_file, refuse_existing
from albert_tf.text.sentencepiece_model import SentencePieceModel


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
        vocabulary: a SentencePiece `.model` file.
        out: the new directory.
        settings: see `PreparationSettings`.
        num_workers: processes; None for one a core. The bytes do not depend on it.
        quiet: shows no progress.

    Returns:
        The manifest, which stands in `out` as `manifest.json`.

    Raises:
        FileExistsError: `out` exists.
        FileNotFoundError, ValueError: the text, the vocabulary or the settings are of no use.
        OSError: the disk is full; what is finished stays and the same call goes on.
    """
    settings, out = settings or PreparationSettings(), Path(out)
    refuse_existing(out)
    proto = SentencePieceModel(vocabulary).proto
    vocabulary_size = len(MaskingVocabulary.from_sentencepiece(proto).word_starts)
    files = find_files(texts, settings.format)
    check_held_out(files, settings)
    staged = StagedPreparation(out)
    num_workers = num_workers or len(os.sched_getaffinity(0))
    try:
        with (
            staged.open(plan_of(files, proto, settings)),
            PreparationProgress(quiet) as progress,
            Workers(num_workers, settings, proto) as workers,
        ):
            counts = _spill(deal_tasks(files), staged, settings, workers, progress)
            _check_shards(counts, settings, staged)
            entries = _assemble(len(deal_tasks(files)), staged, settings, workers, progress)
            manifest = build_manifest(settings, proto, vocabulary_size, counts, entries)
            with new_file(staged.records / VOCABULARY, overwrite=True) as copy:
                copy.write_bytes(proto)
            write_manifest(staged.records, manifest)
            staged.finish()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"The disk is full: {staged.path} could not be written to the end. What is finished "
            "stays there: make room and give the same command again. A preparation takes about "
            "twice the space of its records.",
        ) from error
    return manifest


def plan_of(files: list[TextFile], proto: bytes, settings: PreparationSettings) -> dict:
    """All that the bytes depend on, as JSON values; of the texts, names, sizes and times."""
    text = "\n".join(f"{f.name} {f.size} {os.stat(f.path).st_mtime_ns}" for f in files)
    return {
        **{name: value for name, value in dataclasses.asdict(settings).items()},
        "texts": f"{len(files)} files with digest {hashlib.sha256(text.encode()).hexdigest()[:16]}",
        "vocabulary": hashlib.sha256(proto).hexdigest(),
    }


def check_held_out(files: list[TextFile], settings: PreparationSettings):
    """Refuses a share of books that holds out none of them, or all, before any work is done."""
    chances = [held_out_chance(f.name, settings) for f in files]
    if not settings.held_out or any(f.format in ("blank-line", "jsonl") for f in files):
        return
    num_held = sum(chance < settings.held_out for chance in chances)
    if num_held in (0, len(files)):
        needed = f"more than {min(chances):.4f}" if not num_held else f"{max(chances):.4f} or less"
        hint = f"a held_out of {needed} splits these, and" if len(files) > 1 else "With one file,"
        raise ValueError(
            f"held_out must leave files on both sides: got {settings.held_out}, which holds out "
            f"{num_held} of {len(files)} files. For seed {settings.seed} {hint} 0 keeps all for "
            "training."
        )


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


def _check_shards(counts, settings, staged):
    """Refuses shards without rows: they come of too little text, so nothing much is lost."""
    for split in SPLITS:
        num_shards = settings.num_shards(split)
        rows = [counts[f"rows/{split}/{shard}"] for shard in range(num_shards)]
        if num_shards and not all(rows):
            staged.discard()
            what = "held_out" if split == SPLITS[1] and not any(rows) else "shards"
            fewer = f"Use {max(1, sum(rows) // 50)} or fewer." if sum(rows) else ""
            raise ValueError(
                f"Every shard needs rows: the text gives the split {split} {sum(rows)} rows in "
                f"all, too few for {num_shards} files by chance. {fewer or 'Give more text'}"
                f"{', or another held_out.' if what == 'held_out' else ''}"
            )


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
