"""What a visitor's browser loads stays small."""

import gzip

import pytest

from dragoman.web.assets import Assets

_KILO = 1000


@pytest.mark.parametrize(
    ("name", "most_kilobytes"),
    [("embed.js", 3), ("chat.js", 60), ("chat.css", 12), ("console.js", 150), ("console.css", 12)],
)
def test_a_file_of_a_page_is_within_its_bound_when_it_is_packed(name: str, most_kilobytes: int) -> None:
    packed = gzip.compress(Assets().named(name).content, 9)
    assert len(packed) <= most_kilobytes * _KILO


@pytest.mark.parametrize("lazy", ["highlight.js", "maths.js"])
def test_what_is_seldom_needed_is_no_part_of_the_chat_page(lazy: str) -> None:
    assets = Assets()
    assert assets.address(lazy).startswith(f"/assets/{lazy.removesuffix('.js')}.")
    assert len(assets.named("chat.js").content) < 200 * _KILO
