"""Identifiers."""

import uuid

from dragoman.kit.ids import api_key, is_uuid, uuid7


def test_a_uuid7_is_one_by_the_standard() -> None:
    for _ in range(1000):
        made = uuid.UUID(uuid7())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_uuids_made_in_a_row_sort_in_that_order() -> None:
    made = []
    for _ in range(200):
        made.append(uuid7())
        sum(range(500))
    assert made == sorted(made)


def test_only_the_usual_written_form_is_a_uuid() -> None:
    assert is_uuid(uuid7())
    assert not is_uuid(uuid7().replace("-", ""))
    assert not is_uuid("x" * 36)


def test_an_api_key_has_64_characters_and_its_prefix() -> None:
    assert len(api_key()) == 64
    assert api_key().startswith("sk-")
    assert api_key() != api_key()
