"""Voices that clients of speech APIs ask for by custom, made out of one local voice by its pitch."""

from types import MappingProxyType

# Above one is higher; the usual voice comes first.
PITCHES = MappingProxyType(
    {
        "alloy": 1.0,
        "ash": 0.95,
        "ballad": 1.06,
        "cedar": 0.9,
        "coral": 1.17,
        "echo": 0.93,
        "fable": 1.09,
        "marin": 1.14,
        "nova": 1.2,
        "onyx": 0.86,
        "sage": 1.12,
        "shimmer": 1.24,
        "verse": 1.03,
    }
)
