"""JavaScript modules as plain scripts: the engine knows only scripts."""

import re

from dragoman.kit.errors import InvalidInput

_EXPORTED = "__exports.default ="
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_DEFAULT = re.compile(r"export\s+default\b")
_DECLARED = re.compile(r"export(?=\s+(?:const|let|var|function|class|async)\b)")
_NAMED = re.compile(r"export\s*\{([^}]*)\}\s*;?")
_IMPORT = re.compile(r"import(?!\s*[(.])\b")
# After these a slash begins a regular expression.
_BEFORE_VALUE = frozenset(
    (
        "return",
        "typeof",
        "case",
        "in",
        "of",
        "delete",
        "void",
        "throw",
        "new",
        "else",
        "do",
        "await",
        "yield",
        "default",
    )
)


def as_script(module: str) -> str:
    """The module's code for the body of a function that gets ``__exports``; every line stays where it is.

    Raises:
        InvalidInput: it imports something, or passes on another module's exports.
    """
    pieces, end, after = [], 0, ""
    for start in _statements(module):
        if start < end:
            continue
        if found := _DEFAULT.match(module, start):
            new = _EXPORTED
        elif found := _DECLARED.match(module, start):
            new = ""
        elif found := _NAMED.match(module, start):
            new, after = "", after + _default_of(found[1])
        else:
            word = "import" if _IMPORT.match(module, start) else "export"
            line = module.count("\n", 0, start) + 1
            raise InvalidInput(
                f"Line {line}: {word} of other modules is not available; a worker is one module.",
                code="script_invalid",
            )
        lost = found[0].count("\n")
        pieces += [module[end:start], new, "\n" * lost]
        end = found.end()
    return "".join(pieces) + module[end:] + after


def has_default(script: str) -> bool:
    """Whether a module, as ``as_script`` made it, has a default export."""
    return _EXPORTED in script


def _default_of(names: str) -> str:
    found = re.search(r"([\w$]+)\s+as\s+default\b", names)
    return f"\n;{_EXPORTED} {found[1]};" if found else ""


def _statements(code: str) -> list[int]:
    """Where ``export`` and ``import`` stand as keywords of the module itself."""
    found: list[int] = []
    depth, at, last, templates = 0, 0, "", list[int]()
    while at < len(code):
        one = code[at]
        if code.startswith(("//", "/*"), at):
            at = _after_comment(code, at)
            continue
        if one in "'\"":
            at, last = _after_string(code, at), one
        elif one == "`" or (one == "}" and templates and templates[-1] == depth):
            if one == "}":
                templates.pop()
            at, opened = _after_template(code, at + 1)
            last = "`"
            if opened:
                templates.append(depth)
                last = "{"
        elif one == "/" and _begins_value(last):
            at, last = _after_regex(code, at), "/"
        elif word := _WORD.match(code, at):
            text = word[0]
            if depth == 0 and last != "." and (text == "export" or _IMPORT.match(code, at)):
                found.append(at)
            at, last = word.end(), text
        else:
            depth += {"{": 1, "(": 1, "[": 1, "}": -1, ")": -1, "]": -1}.get(one, 0)
            last = last if one.isspace() else one
            at += 1
    return found


def _begins_value(last: str) -> bool:
    return not last or last in _BEFORE_VALUE or not (last[-1].isalnum() or last[-1] in "_$)]}'\"`/")


def _after_comment(code: str, at: int) -> int:
    ending = "\n" if code.startswith("//", at) else "*/"
    end = code.find(ending, at + 2)
    return len(code) if end < 0 else end + (0 if ending == "\n" else 2)


def _after_string(code: str, at: int) -> int:
    quote, at = code[at], at + 1
    while at < len(code) and code[at] not in (quote, "\n"):
        at += 2 if code[at] == "\\" else 1
    return at + 1


def _after_template(code: str, at: int) -> tuple[int, bool]:
    """Past the text of a template, and whether an expression begins there."""
    while at < len(code):
        if code[at] == "`":
            return at + 1, False
        if code.startswith("${", at):
            return at + 2, True
        at += 2 if code[at] == "\\" else 1
    return at, False


def _after_regex(code: str, at: int) -> int:
    at, in_class = at + 1, False
    while at < len(code) and code[at] != "\n":
        if code[at] == "/" and not in_class:
            return at + 1
        in_class = code[at] == "[" or (in_class and code[at] != "]")
        at += 2 if code[at] == "\\" else 1
    return at
