"""Skills as folders of SKILL.md files."""

from pathlib import Path

import pytest

from dragoman.domain.skills.files import parse, read_folder, write_folder
from dragoman.domain.skills.model import Skill, SkillDraft, SkillSource
from dragoman.kit.errors import InvalidInput

WRITTEN = """---
name: pdf-forms
description: >-
  Fills in forms,
  when somebody sends one.
allowed-tools: Read, Bash(git add:*) Write
license: MIT
---

# Forms

Do it --- well.
"""


def test_a_file_as_others_write_it_is_read() -> None:
    assert parse(WRITTEN, fallback="x") == SkillDraft(
        "pdf-forms",
        "# Forms\n\nDo it --- well.",
        "Fills in forms, when somebody sends one.",
        (),
        ("Read", "Bash(git add:*)", "Write"),
    )
    assert parse("Just do it.\r\n", fallback="folder-name").slug == "folder-name"


def test_what_is_written_is_read_as_the_same(tmp_path: Path) -> None:
    drafts = [
        SkillDraft(
            "refunds",
            "Ask first: why?\n\n---\nThen pay.\n",
            "Money: back",
            (SkillSource("rules", "https://example.com/r", "about", {"X-Team": "ä"}, 5),),
            ("order", "find_order"),
        ),
        SkillDraft("..", "Dots.", None),
    ]
    skills = [Skill(str(number), draft, 1, 1) for number, draft in enumerate(drafts)]
    paths = write_folder(skills, tmp_path / "new")
    assert paths[0] == tmp_path / "new" / "refunds" / "SKILL.md"
    assert all(path.is_relative_to(tmp_path / "new") for path in paths)
    assert sorted(read_folder(tmp_path / "new"), key=lambda one: one.slug) == drafts[::-1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("---\nname: [\n---\nx", "not YAML"),
        ("---\n- a\n---\nx", "front matter: it"),
        ("---\nname: has space\n---\nx", "slug must have"),
        ("---\nname: x\n---\n", "no instructions"),
        ("---\nname: x\nallowed-tools: 5\n---\ny", "allowed-tools"),
        ("---\nname: x\ninstruction-sources: [5]\n---\ny", "instruction-sources"),
    ],
)
def test_what_is_not_in_order_is_refused_by_file_and_reason(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "SKILL.md").write_text(text)
    with pytest.raises(InvalidInput, match=told) as refused:
        read_folder(tmp_path)
    assert str(tmp_path / "a" / "SKILL.md") in refused.value.detail


def test_an_empty_folder_and_one_name_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no SKILL\.md"):
        read_folder(tmp_path)
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "SKILL.md").write_text("---\nname: same\n---\nx")
    with pytest.raises(InvalidInput, match="both named"):
        read_folder(tmp_path)
