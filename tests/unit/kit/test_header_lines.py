"""Headers as HTTP carries them."""

import pytest

from dragoman.kit.errors import InvalidInput
from dragoman.kit.header_lines import header_lines


def test_values_go_out_in_latin_1_without_blanks_around_them() -> None:
    assert header_lines({"X-Key": " née\t", "a": ""}) == [(b"X-Key", b"n\xe9e"), (b"a", b"")]


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "x"), ("a b", "x"), ("a:", "x"), ("ключ", "x"), ("a", "ключ"), ("a", "x\r\nb: c")],
)
def test_what_http_cannot_carry_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match="not one that HTTP can carry") as raised:
        header_lines({name: value})
    assert repr(name) in raised.value.detail
