"""CSS colours: what may stand where the page puts one, and nothing else."""

import re
from dataclasses import dataclass

from dragoman.dialects.aivax.fields import wrong
from dragoman.kit.jsontypes import JsonValue

_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})")
_NUMBER = r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:%|deg|rad|grad|turn)?|none)"
_FUNCTION = re.compile(
    rf"(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(\s*{_NUMBER}(?:\s*[,/]\s*{_NUMBER}|\s+{_NUMBER}){{2,3}}\s*\)"
)
_LONGEST = 100
_NAMED = """
    aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet brown burlywood
    cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue darkcyan darkgoldenrod darkgray
    darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange darkorchid darkred darksalmon darkseagreen
    darkslateblue darkslategray darkslategrey darkturquoise darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue
    firebrick floralwhite forestgreen fuchsia gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew
    hotpink indianred indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue lightcoral lightcyan
    lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon lightseagreen lightskyblue lightslategray
    lightslategrey lightsteelblue lightyellow lime limegreen linen magenta maroon mediumaquamarine mediumblue
    mediumorchid mediumpurple mediumseagreen mediumslateblue mediumspringgreen mediumturquoise mediumvioletred
    midnightblue mintcream mistyrose moccasin navajowhite navy oldlace olive olivedrab orange orangered orchid
    palegoldenrod palegreen paleturquoise palevioletred papayawhip peachpuff peru pink plum powderblue purple
    rebeccapurple red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue slateblue
    slategray slategrey snow springgreen steelblue tan teal thistle tomato transparent turquoise violet wheat white
    whitesmoke yellow yellowgreen
"""
_NAMES = frozenset(_NAMED.split())


@dataclass(frozen=True, slots=True)
class Color:
    """A colour by name, in hexadecimal digits, or as a function of numbers."""

    def read(self, value: object, path: str) -> JsonValue:
        if isinstance(value, str) and len(value) <= _LONGEST:
            text = value.strip().lower()
            if text in _NAMES or _HEX.fullmatch(text) or _FUNCTION.fullmatch(text):
                return value.strip()
        raise wrong(path, "must be a CSS colour such as #6366f1, teal or rgb(0, 128, 128)")

    def schema(self) -> dict[str, JsonValue]:
        return {"type": "string", "maxLength": _LONGEST}
