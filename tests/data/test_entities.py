import pytest

from albert_tf.data.entities import entities_of, is_entity_tag, tag_names, tags_of


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-a I-a O B-b", [(1, 3, "a"), (4, 5, "b")]),
        ("B-a B-a I-a", [(0, 1, "a"), (1, 3, "a")]),
        ("B-a I-b I-b", [(0, 1, "a"), (1, 3, "b")]),
        ("I-a I-a O I-b", [(0, 2, "a"), (3, 4, "b")]),  # unmatched, or IOB1
        ("S-a B-b E-b E-b U-a", [(0, 1, "a"), (1, 3, "b"), (3, 4, "b"), (4, 5, "a")]),
        ("B-a M-a L-a I-a", [(0, 3, "a"), (3, 4, "a")]),
        ("O O", []),
        ("", []),
    ],
)
def test_entities_are_those_of_conlleval(tags, expected):
    assert entities_of(tags.split()) == expected


def test_a_word_that_is_unknown_belongs_to_an_entity_that_goes_on_behind_it():
    assert entities_of(["B-a", None, "I-a", None, "O"]) == [(0, 3, "a")]
    assert entities_of([None, "B-a", None, "B-a"]) == [(1, 2, "a"), (3, 4, "a")]


def test_tags_of_entities_give_the_entities_back():
    tags = ["O", "B-a", "I-a", "B-a", "O", "B-b"]
    assert tags_of(entities_of(tags), len(tags)) == tags


def test_a_model_knows_both_tags_of_every_type():
    assert tag_names(["person", "group", "person"]) == (
        "O",
        *("B-group", "I-group", "B-person", "I-person"),
    )


def test_parts_of_speech_are_no_tags_of_entities():
    assert [tag for tag in ("O", "B-x", "NN", "B-", "VB-x", "PRP$") if is_entity_tag(tag)] == [
        "O",
        "B-x",
    ]
