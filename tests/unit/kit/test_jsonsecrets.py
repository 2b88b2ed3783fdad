"""Secrets taken out of JSON and put back."""

import string

import orjson
from hypothesis import given
from hypothesis import strategies as st

from dragoman.kit.jsonsecrets import put_back, take_out

NAMES = ("headers", "env")
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(string.ascii_letters, max_size=4)
MEMBERS = st.sampled_from((*NAMES, "a", "b", ""))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=25,
)


@given(TREES)
def test_what_was_taken_out_is_put_back_where_it_was(tree: object) -> None:
    rest, secrets = take_out(tree, NAMES)  # pyright: ignore[reportArgumentType]
    kept = orjson.loads(orjson.dumps(secrets))
    assert put_back(rest, kept) == tree
    assert take_out(rest, NAMES).secrets == []


def test_nothing_of_a_secret_stays() -> None:
    tree = {"sources": [{"url": "u", "headers": {"X-Key": "hidden"}}, {"headers": {}}], "env": {"A": [1]}}
    rest, secrets = take_out(tree, NAMES)
    assert rest == {"sources": [{"url": "u", "headers": {}}, {"headers": {}}], "env": {}}
    assert secrets == [(["sources", 0, "headers"], {"X-Key": "hidden"}), (["env"], {"A": [1]})]
