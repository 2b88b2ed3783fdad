"""Paths as users write them, to names below the root of a workspace."""

from dragoman.kit.errors import InvalidInput

HOME = "/home/workspace"
_LONGEST_BYTES = 4096
_LONGEST_NAME_BYTES = 255


def parse_path(text: str) -> tuple[str, ...]:
    """The names from the root of the workspace down; the root itself is ``()``.

    A path may begin with ``/home/workspace``; any other beginning ``/`` is the root of the workspace as well.

    Raises:
        InvalidInput: it leads above the root, or no file can have such a path.
    """
    if "\x00" in text:
        raise InvalidInput("A path holds no NUL character.", param="path")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput("A path is text that can be written as UTF-8.", param="path") from error
    if not text or size > _LONGEST_BYTES:
        raise InvalidInput(f"A path has 1 to {_LONGEST_BYTES} bytes.", param="path")
    if text == HOME or text.startswith(HOME + "/"):
        text = text[len(HOME) :]
    names: list[str] = []
    for name in text.split("/"):
        if name in ("", "."):
            continue
        if name == "..":
            if not names:
                raise InvalidInput("The path leads above the root of the workspace.", param="path")
            names.pop()
        elif len(name.encode()) > _LONGEST_NAME_BYTES:
            raise InvalidInput(f"A name in a path has at most {_LONGEST_NAME_BYTES} bytes.", param="path")
        else:
            names.append(name)
    return tuple(names)
