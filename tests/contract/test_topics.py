"""Which names can be a level of a topic, on every broker."""

import pytest

from qilu.contract.topics import Lane, Topics, topic_level


@pytest.mark.parametrize("name", ["edge-1", "press_2", "一号厂", "A", "a:b", "@x"])
def test_names_without_separators_are_levels(name: str) -> None:
    assert topic_level(name) == name
    topics = Topics("plant/qilu")
    assert topics.sender(topics.records(Lane.LIVE, name, "press-1")) == (Lane.LIVE, name)


@pytest.mark.parametrize(
    "name", ["", "a/b", "+", "#", "$x", "a b", "a\tb", "a\0b", "a\x7fb", "a\u0085b", "a\u202eb"]
)
def test_what_mqtt_cannot_carry_in_a_level_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a topic"):
        topic_level(name)


@pytest.mark.parametrize("name", ["plant.1", ".", "a*", "*", ">"])
def test_what_nats_and_rabbitmq_translate_is_refused_with_that_reason(name: str) -> None:
    with pytest.raises(ValueError, match="NATS and RabbitMQ translate topics.*separator or a wildcard"):
        topic_level(name)


@pytest.mark.parametrize(
    "name", ["“edge-1”", "‘e’", "«e»", "edge，1", "edge：1", "ｅｄｇｅ－１", "edge–1", "【e】", "e、f"]
)
def test_what_looks_like_ascii_and_is_not_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be part of a topic: '.' \(U\+[0-9A-F]{4}\) looks like"):
        topic_level(name)
