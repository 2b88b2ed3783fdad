"""Fields for what is sent in headers: whole sets of them, and keys."""

from dataclasses import dataclass

from dragoman.dialects.aivax.fields import Mapped, Text, at, wrong
from dragoman.kit.header_lines import is_header_name, is_header_value, is_key
from dragoman.kit.jsontypes import JsonValue

_NAME = r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}$"
_VALUE = r"^[\t\x20-\x7e\x80-\xff]*$"


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers by name, such as HTTP can carry."""

    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        headers = Mapped(Text(0, 8000), maximum=50, nullable=self.nullable).read(value, path)
        for name, text in headers.items() if isinstance(headers, dict) else ():
            if not is_header_name(name):
                raise wrong(path, f"must not have {name[:100]!r}, which is no name of a header")
            if not isinstance(text, str) or not is_header_value(text):
                raise wrong(at(path, name), "must be a text of one line in Latin letters, as headers hold it")
        return headers

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": ["object", "null"] if self.nullable else "object",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"type": "string", "maxLength": 8000, "pattern": _VALUE},
            "maxProperties": 50,
        }


@dataclass(frozen=True, slots=True)
class Key:
    """A secret that is sent in a header or an address; blanks around it, as they come by pasting, are dropped."""

    minimum: int = 0
    maximum: int = 4000
    nullable: bool = False

    def read(self, value: object, path: str) -> JsonValue:
        text = Text(self.minimum, self.maximum, self.nullable).read(value, path)
        if not isinstance(text, str):
            return text
        text = text.strip()
        if not is_key(text):
            raise wrong(path, "must be of visible ASCII characters without blanks")
        return text

    def schema(self) -> dict[str, JsonValue]:
        return {
            "type": ["string", "null"] if self.nullable else "string",
            "minLength": self.minimum,
            "maxLength": self.maximum,
            "pattern": r"^\s*[\x21-\x7e]*\s*$",
        }
