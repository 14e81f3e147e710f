"""Scores of entities: found exactly, first word to last, with their type (CoNLL 2003, WNUT-17)."""

from collections.abc import Iterable, Sequence

from sklearn.metrics import precision_recall_fscore_support


def entity_scores(
    expected: Sequence[Iterable[tuple]], found: Sequence[Iterable[tuple]]
) -> dict[str, float]:
    """Precision, recall and F1 of entities, over all types and for each one.

    Equal to `conlleval` and seqeval on the same entities: an entity counts as found when its
    borders and its type are right. Nothing to find and nothing found is 0, as there.

    Args:
        expected, found: for each text its entities, tuples that end in the type; `data.entities`
            has them in words, and any other places will do.

    Returns:
        `f1`, `precision`, `recall`, and `f1 of <type>` for each expected type.

    Raises:
        ValueError: not as many texts here as there.
    """
    if len(expected) != len(found):
        raise ValueError(
            f"Every text needs its answer: got {len(found)} for {len(expected)} texts."
        )
    right, given = (_numbered(entities) for entities in (expected, found))
    scores = _scores(right, given)
    for type in sorted({entity[-1] for entity in right}):
        of_type = [{e for e in entities if e[-1] == type} for entities in (right, given)]
        scores[f"f1 of {type}"] = _scores(*of_type)["f1"]
    return scores


def surface_f1(expected: Iterable[tuple[str, str]], found: Iterable[tuple[str, str]]) -> float:
    """F1 of the different names: each pair of text and type counts once (WNUT-17's second score).

    It does not let a name that comes often outweigh the rare ones.
    """
    return _scores(set(expected), set(found))["f1"]


def _numbered(entities):
    return {(number, *entity) for number, row in enumerate(entities) for entity in row}


def _scores(expected, found):
    entities = list(expected | found)
    if not entities:
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    is_expected, is_found = ([e in group for e in entities] for group in (expected, found))
    precision, recall, f1, _ = precision_recall_fscore_support(
        is_expected, is_found, average="binary", zero_division=0.0
    )
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}
