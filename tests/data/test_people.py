"""Lives of people: true places of answers and entities, nobody on two sides, in real layouts."""

from albert_tf.data import people
from albert_tf.data.squad import read_squad
from albert_tf.data.tagged_files import read_tagged_texts


def test_nobody_is_on_both_sides_and_nobody_is_lost():
    everybody = people.read_people()
    known, unseen = people.split_people(everybody)
    names = [{person["name"] for person in side} for side in (known, unseen)]
    assert not names[0] & names[1] and len(names[0] | names[1]) == len(everybody) == 142


def test_every_answer_stands_in_its_text_also_with_two_people(tmp_path):
    some = people.read_people()[:6]
    path = people.write_questions(tmp_path / "pairs.json", some, together=2, rounds=1)
    asked = read_squad(path)  # refuses an answer that is elsewhere
    assert len(asked) == 5 * len(some) and len(set(asked.contexts)) == 3
    assert asked.inputs()["question"] == asked.questions
    assert asked.targets()["answer_text"] == [answers[0].text for answers in asked.answers]


def test_entities_are_read_back_by_the_reader_of_json(tmp_path):
    ada = [person for person in people.read_people() if person["name"] == "Ada Lovelace"]
    texts = read_tagged_texts(people.write_entities(tmp_path / "ada.jsonl", ada, rounds=1))
    found = {
        entity.type: texts.words(0)[entity.first : entity.last] for entity in texts.entities(0)
    }
    assert found["place"] == ["London"] and found["year"] == ["1852"]
    assert set(found) == {"person", "place", "year", "deed"}


def test_the_same_seed_gives_the_same_texts():
    some = people.read_people()[:4]
    one, two, other = (people.make_questions(some, seed=seed) for seed in (3, 3, 4))
    assert one == two and one != other


def test_the_prose_is_whole():
    assert len(read_squad(people.PROSE)) == 20
