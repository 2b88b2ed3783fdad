"""Answers as browsers without scripts are given them."""

import pytest

from dragoman.web.markup import Markup


def shown(text: str) -> str:
    return Markup().answer(text, ["1"], "/chat/k/passages/m").strip()


def test_marks_of_passages_are_links_and_others_are_not() -> None:
    assert shown("At nine [1] or [2].") == ('<p>At nine <a href="/chat/k/passages/m/1">[1]</a> or [2].</p>')
    assert shown("`[1]`") == "<p><code>[1]</code></p>"


def test_layout_is_kept() -> None:
    assert shown("# Hours\n\n1. nine\n2. ten") == "<h2>Hours</h2>\n<ol>\n<li>nine</li>\n<li>ten</li>\n</ol>"
    assert "<td>1</td>" in shown("| a |\n|---|\n| 1 |")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](data:text/html;base64,PHNjcmlwdD4=)",
        '[x](https://a.example/"onclick="alert(1))',
        '![x" onerror="alert(1)](https://a.example/p.png)',
        '[[1]](https://a.example/[1]"x=)',
    ],
)
def test_nothing_of_it_runs_or_is_fetched(text: str) -> None:
    html = shown(text)
    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in html.partition("href=")[2]
    assert not any(f' {name}="' in html for name in ("onclick", "onerror", "x"))
