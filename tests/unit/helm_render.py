"""Renders the chart's templates: the part of Helm's language that they use, so that a test needs no Helm."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

_ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.S)
_WORD = re.compile(r'"[^"]*"|\(|\)|\||[^\s()|]+')


class Chart:
    """A chart and the values it is rendered with."""

    def __init__(self, folder: Path, values: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        given = yaml.safe_load((folder / "values.yaml").read_text())
        chart = yaml.safe_load((folder / "Chart.yaml").read_text())
        self.scope: dict[str, Any] = {
            "Values": _merged(given, values or {}),
            "Chart": {"AppVersion": chart["appVersion"], "Name": chart["name"]},
            "Release": {"Name": "demo", "Service": "Helm"},
        }
        self.named: dict[str, list[Any]] = {}
        for path in sorted((folder / "templates").glob("*.tpl")):
            self._render(_parse(path.read_text()), self.scope, {})

    def render(self, name: str) -> str:
        """One template's text."""
        return self._render(_parse((self.folder / "templates" / name).read_text()), self.scope, {})

    def _render(self, nodes: list[Any], dot: Any, names: dict[str, Any]) -> str:
        text = ""
        for node in nodes:
            if isinstance(node, str):
                text += node
                continue
            words, inner, otherwise = node
            head, rest = words[0], words[1:]
            if head == "define":
                self.named[rest[0].strip('"')] = inner
            elif head == "if":
                text += self._render(inner if self._value(rest, dot, names) else otherwise, dot, names)
            elif head == "range":
                key, item = rest[0].rstrip(","), rest[1]
                for one, value in sorted(self._value(rest[3:], dot, names).items()):
                    text += self._render(inner, dot, {**names, key: one, item: value})
            else:
                value = self._value(words, dot, names)
                text += "" if value is None else str(value)
        return text

    def _value(self, words: list[str], dot: Any, names: dict[str, Any]) -> Any:
        """The value of a pipeline."""
        stages: list[list[Any]] = [[]]
        words = list(words)
        while words:
            word = words.pop(0)
            if word == "|":
                stages.append([])
            elif word == "(":
                depth, inner = 1, list[str]()
                while depth:
                    one = words.pop(0)
                    depth += {"(": 1, ")": -1}.get(one, 0)
                    inner.append(one)
                stages[-1].append((self._value(inner[:-1], dot, names),))
            else:
                stages[-1].append(word)
        value: Any = None
        for place, stage in enumerate(stages):
            value = self._call(stage, dot, names, value, piped=place > 0)
        return value

    def _call(self, stage: list[Any], dot: Any, names: dict[str, Any], before: Any, *, piped: bool) -> Any:
        head = stage[0]
        if not (isinstance(head, str) and re.fullmatch(r"[a-zA-Z0-9]+", head) and not head.isdigit()):
            assert not piped
            return self._atom(head, dot, names)
        arguments = [self._atom(one, dot, names) for one in stage[1:]] + ([before] if piped else [])
        if head == "include":
            return self._render(self.named[arguments[0]], arguments[1], {})
        functions: dict[str, Callable[..., Any]] = {
            "nindent": lambda n, t: (
                "\n" + "\n".join(" " * n + line if line else line for line in str(t).splitlines())
            ),
            "quote": lambda t: '"' + str(t).replace("\\", "\\\\").replace('"', '\\"') + '"',
            "toYaml": lambda v: yaml.safe_dump(v, sort_keys=True).strip(),
            "default": lambda other, v: v or other,
            "add": lambda *numbers: sum(numbers),
            "sha256sum": lambda t: hashlib.sha256(str(t).encode()).hexdigest(),
        }
        return functions[head](*arguments)

    @staticmethod
    def _atom(word: Any, dot: Any, names: dict[str, Any]) -> Any:
        if isinstance(word, tuple):
            return word[0]
        if word.startswith('"'):
            return word[1:-1]
        if word.lstrip("-").isdigit():
            return int(word)
        if word.startswith("$"):
            return names[word]
        assert word.startswith("."), word
        value = dot
        for part in filter(None, word.split(".")):
            assert part in value, f"{word} is no value of the chart"
            value = value[part]
        return value


def _merged(given: Any, over: Mapping[str, Any]) -> Any:
    result = dict(given)
    for name, value in over.items():
        result[name] = (
            _merged(result[name], value) if isinstance(value, Mapping) and name in result else value
        )
    return result


def _parse(text: str) -> list[Any]:
    """Texts, and actions as (words, what is inside, what is inside else)."""
    root: list[Any] = []
    open_: list[tuple[list[str], list[Any], list[Any], bool]] = []

    def here() -> list[Any]:
        return (open_[-1][2] if open_[-1][3] else open_[-1][1]) if open_ else root

    at, trims = 0, False
    for found in _ACTION.finditer(text):
        piece = text[at : found.start()]
        piece = piece.lstrip() if trims else piece
        here().append(piece.rstrip() if found[1] else piece)
        at, trims = found.end(), bool(found[3])
        words = _WORD.findall(found[2])
        if words[0] == "end":
            words, inner, otherwise, _ = open_.pop()
            here().append((words, inner, otherwise))
        elif words[0] == "else":
            words, inner, otherwise, _ = open_.pop()
            open_.append((words, inner, otherwise, True))
        elif words[0] in ("if", "range", "define"):
            open_.append((words, [], [], False))
        else:
            here().append((words, [], []))
    assert not open_, f"{open_[-1][0]} has no end"
    rest = text[at:]
    root.append(rest.lstrip() if trims else rest)
    return root
