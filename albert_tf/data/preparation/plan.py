"""What a preparation is made of, and whether it can be done, checked before the work and after."""

import hashlib
from collections import Counter
from collections.abc import Callable

from albert_tf.data.echoes import FEWEST_TOKENS
from albert_tf.data.preparation.corpus import TextFile
from albert_tf.data.preparation.rows import held_out_chance
from albert_tf.data.preparation.settings import SPLITS, TRAIN, PreparationSettings


def plan_of(files: list[TextFile], vocabulary: bytes, settings: PreparationSettings) -> dict:
    """All that the bytes depend on, as JSON values; of the texts, names, sizes and times."""
    text = "\n".join(f"{file.name} {file.size} {file.modified}" for file in files)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {
        **settings.as_dict(),
        "texts": f"{len(files)} files, digest {digest[:16]}",
        "vocabulary": hashlib.sha256(vocabulary).hexdigest(),
    }


def check_held_out(files: list[TextFile], settings: PreparationSettings):
    """Refuses a share of books that holds out none of them, or all, before any work is done.

    Raises:
        ValueError: names the shares that would do.
    """
    if not settings.held_out or any(file.format in ("blank-line", "jsonl") for file in files):
        return
    chances = [held_out_chance(file.name, settings) for file in files]
    num_held = sum(chance < settings.held_out for chance in chances)
    if 0 < num_held < len(files):
        return
    bound = f"above {min(chances):.4f}" if num_held == 0 else f"of at most {max(chances):.4f}"
    hint = f"a share {bound} splits them, and" if len(files) > 1 else "one file cannot be split;"
    raise ValueError(
        f"held_out must leave files on both sides: got {settings.held_out}, which holds out "
        f"{num_held} of {len(files)} files. With seed {settings.seed} {hint} 0 holds out none."
    )


def check_shards(counts: Counter, settings: PreparationSettings, discard: Callable[[], None]):
    """Refuses shards without rows, next sentences that are all true ones, and echoes of none.

    All come of too little text or of very short documents.

    Args:
        counts: with `rows/<split>/<shard>` and what `RowMaker` counts.
        settings: say how many shards there are.
        discard: called before the error, to remove what was staged.

    Raises:
        ValueError: says what to change.
    """
    for split in SPLITS:
        num_shards = settings.num_shards(split)
        rows = [counts[f"rows/{split}/{shard}"] for shard in range(num_shards)]
        if all(rows):
            _check_neighbours(counts, settings, split, discard)
            continue
        discard()
        documents = counts[f"documents/{split}"]
        if any(rows) and num_shards > 1:
            advice = f"Use --shards {max(1, sum(rows) // 50)} or fewer"
        elif settings.objective == "none" or not documents:
            advice = "Give more text"
        else:
            advice = (
                f"None of its {documents} documents has two sentences, which make a pair: --format "
                "says where documents begin, and --objective none takes single sentences. Or give "
                "more text"
            )
        other = ", or another --held-out" if settings.held_out else ""
        raise ValueError(
            f"Every shard needs rows: the text gives {sum(rows)} rows of the split {split}, dealt "
            f"by chance to {num_shards} files, and {rows.count(0)} stayed empty. {advice}{other}."
        )
    _check_echoes(counts, settings, discard)


def _check_neighbours(counts, settings, split, discard):
    """Without other documents each next segment is the true one, and nothing can be learned."""
    if settings.objective != "nsp" or not settings.num_shards(split):
        return
    if not counts[f"neighbours/{split}"]:
        discard()
        raise ValueError(
            "The objective nsp takes random next segments from other documents: the split "
            f"{split} has {counts[f'documents/{split}']} that never stand beside another, so that "
            "every next segment would be the true one. Give more and shorter documents (--format "
            "says where they begin), another --held-out, or use --objective sop."
        )


def _check_echoes(counts, settings, discard):
    """Documents of one row each have no other segment to take an echo from."""
    if settings.echoes and not counts["echo_tokens"]:
        discard()
        raise ValueError(
            f"No row got an echo: {counts[f'documents/{TRAIN}']} documents and a share of "
            f"{settings.echoes} gave none. A document needs two rows for it, with segments of "
            f"{FEWEST_TOKENS} tokens. Give longer documents (--format says where they begin) or "
            "more of them, a larger share, a smaller --sequence-length, or --echoes 0."
        )
