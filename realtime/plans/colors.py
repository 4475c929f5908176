"""Colours of a plan: whatever the file contains, the result is ``#rrggbb``, ``#rrggbbaa`` or nothing.

Pages use the colours in a canvas and in styles, so no text from the file may get there. All colours of CSS Color 4
are read, except ``color()`` of other spaces than sRGB; colours outside sRGB are cut to it.
"""

from __future__ import annotations

import math
import re

from realtime.plans.values import Place, shown

_HEX = re.compile(r"#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z")
_FUNCTION = re.compile(r"(rgba?|hsla?|hwb|lab|lch|oklab|oklch|color)\(\s*([^()]{1,80}?)\s*\)\Z")
_PART = re.compile(r"([+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(?:e[+-]?[0-9]{1,2})?)(%|deg|grad|rad|turn)?\Z")
_LONGEST = 96
_MOST = 10_000.0
"""Larger numbers mean the same colour, and could overflow."""
_TURNS = {"": 1 / 360, "deg": 1 / 360, "grad": 1 / 400, "rad": 1 / math.tau, "turn": 1.0}
_Triple = tuple[float, float, float]

_PALETTE = ("#4c8dd6", "#e0913a", "#5bab66", "#b56cc4", "#d65f63", "#3fa9a5", "#c7a63c", "#8a8f98")


def palette(index: int) -> str:
    """Return a colour for the category at ``index`` if the plan gives none; neighbours get different ones."""
    return _PALETTE[index % len(_PALETTE)]


def read(value: object, place: Place, *deeper: str | int) -> str:
    """Return a CSS colour as hex, or "" for null and for unknown colours; raise ``InvalidPlan`` for non-strings.

    Unknown colours are noted at ``place`` for the report.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise place.fault(f"is {shown(value)}, not a colour", *deeper)
    text = value.strip().lower() if len(value) <= _LONGEST else ""
    found = _hex(text) or _NAMED.get(text) or _function(text)
    if not found and value.strip():
        place.drop(f"{shown(value)} is not a colour", *deeper)
    return found


def _hex(text: str) -> str:
    if not _HEX.match(text):
        return ""
    return text if len(text) >= 7 else "#" + "".join(digit * 2 for digit in text[1:])


def _function(text: str) -> str:
    """Return the colour of ``rgb(...)``, ``hsl(...)`` and the like, "" if it is none."""
    call = _FUNCTION.match(text)
    if call is None:
        return ""
    name, (body, _slash, alpha) = call[1].removesuffix("a"), call[2].partition("/")
    parts = body.replace(",", " ").split()
    if name == "color" and (not parts or parts.pop(0) != "srgb"):
        return ""
    if len(parts) == 4 and not alpha:
        alpha = parts.pop()
    values = [_PART.match("0" if part == "none" else part) for part in parts]
    opacity = _PART.match(alpha.strip() or "1")
    if len(values) != 3 or opacity is None:
        return ""
    found = [(max(-_MOST, min(_MOST, float(value[1]))), value[2] or "") for value in values if value is not None]
    if len(found) != 3:
        return ""
    red, green, blue = _SPACES[name](*found)
    digits = bytes(_byte(channel) for channel in (red, green, blue))
    covering = _byte(_share((float(opacity[1]), opacity[2] or ""), 1.0))
    return f"#{digits.hex()}" + (f"{covering:02x}" if covering < 255 else "")


def _byte(channel: float) -> int:
    return round(255 * min(1.0, max(0.0, channel)))


_Value = tuple[float, str]


def _share(value: _Value, whole: float) -> float:
    """Return a percentage as a share of 1, and a number as a share of ``whole``."""
    return value[0] / 100 if value[1] == "%" else value[0] / whole


def _scaled(value: _Value, full: float) -> float:
    """Return a percentage as a share of ``full``, and a number as it is."""
    return value[0] / 100 * full if value[1] == "%" else value[0]


def _angle(value: _Value) -> float:
    """Return a hue in turns, 0 to 1."""
    return (value[0] * _TURNS.get(value[1], 0.0)) % 1.0


def _rgb(red: _Value, green: _Value, blue: _Value) -> _Triple:
    return _share(red, 255), _share(green, 255), _share(blue, 255)


def _srgb(red: _Value, green: _Value, blue: _Value) -> _Triple:
    return _share(red, 1), _share(green, 1), _share(blue, 1)


def _hsl(hue: _Value, saturation: _Value, lightness: _Value) -> _Triple:
    turn, light = _angle(hue) * 12, min(1.0, max(0.0, lightness[0] / 100))
    reach = min(1.0, max(0.0, saturation[0] / 100)) * min(light, 1 - light)

    def channel(n: int) -> float:
        k = (n + turn) % 12
        return light - reach * max(-1.0, min(k - 3, 9 - k, 1.0))

    return channel(0), channel(8), channel(4)


def _hwb(hue: _Value, white: _Value, black: _Value) -> _Triple:
    pale, dark = max(0.0, white[0] / 100), max(0.0, black[0] / 100)
    if pale + dark >= 1:
        return (pale / (pale + dark),) * 3
    red, green, blue = _hsl(hue, (100.0, "%"), (50.0, "%"))
    rest = 1 - pale - dark
    return red * rest + pale, green * rest + pale, blue * rest + pale


def _lab(lightness: _Value, a: _Value, b: _Value) -> _Triple:
    return _from_lab(_scaled(lightness, 100), _scaled(a, 125), _scaled(b, 125))


def _lch(lightness: _Value, chroma: _Value, hue: _Value) -> _Triple:
    return _from_lab(_scaled(lightness, 100), *_polar(_scaled(chroma, 150), hue))


def _oklab(lightness: _Value, a: _Value, b: _Value) -> _Triple:
    return _from_oklab(_scaled(lightness, 1), _scaled(a, 0.4), _scaled(b, 0.4))


def _oklch(lightness: _Value, chroma: _Value, hue: _Value) -> _Triple:
    return _from_oklab(_scaled(lightness, 1), *_polar(_scaled(chroma, 0.4), hue))


def _polar(chroma: float, hue: _Value) -> tuple[float, float]:
    turn = _angle(hue) * math.tau
    return chroma * math.cos(turn), chroma * math.sin(turn)


def _from_lab(lightness: float, a: float, b: float) -> _Triple:
    """CIE Lab (D50) to sRGB, with the matrices of CSS Color 4."""
    fy = (lightness + 16) / 116
    fx, fz = a / 500 + fy, fy - b / 200
    e, k = 216 / 24389, 24389 / 27
    x = (fx**3 if fx**3 > e else (116 * fx - 16) / k) * 0.9642956764
    y = fy**3 if lightness > k * e else lightness / k
    z = (fz**3 if fz**3 > e else (116 * fz - 16) / k) * 0.8251046025
    return (
        _gamma(3.1341359569 * x - 1.6173863321 * y - 0.4906619460 * z),
        _gamma(-0.9787954765 * x + 1.9161435800 * y + 0.0334458660 * z),
        _gamma(0.0719424586 * x - 0.2289674512 * y + 1.4052427854 * z),
    )


def _from_oklab(lightness: float, a: float, b: float) -> _Triple:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _gamma(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )


def _gamma(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


_SPACES = {
    "rgb": _rgb,
    "color": _srgb,
    "hsl": _hsl,
    "hwb": _hwb,
    "lab": _lab,
    "lch": _lch,
    "oklab": _oklab,
    "oklch": _oklch,
}

_TABLE = """
aliceblue=f0f8ff antiquewhite=faebd7 aqua=00ffff aquamarine=7fffd4 azure=f0ffff beige=f5f5dc bisque=ffe4c4
black=000000 blanchedalmond=ffebcd blue=0000ff blueviolet=8a2be2 brown=a52a2a burlywood=deb887 cadetblue=5f9ea0
chartreuse=7fff00 chocolate=d2691e coral=ff7f50 cornflowerblue=6495ed cornsilk=fff8dc crimson=dc143c cyan=00ffff
darkblue=00008b darkcyan=008b8b darkgoldenrod=b8860b darkgray=a9a9a9 darkgreen=006400 darkgrey=a9a9a9
darkkhaki=bdb76b darkmagenta=8b008b darkolivegreen=556b2f darkorange=ff8c00 darkorchid=9932cc darkred=8b0000
darksalmon=e9967a darkseagreen=8fbc8f darkslateblue=483d8b darkslategray=2f4f4f darkslategrey=2f4f4f
darkturquoise=00ced1 darkviolet=9400d3 deeppink=ff1493 deepskyblue=00bfff dimgray=696969 dimgrey=696969
dodgerblue=1e90ff firebrick=b22222 floralwhite=fffaf0 forestgreen=228b22 fuchsia=ff00ff gainsboro=dcdcdc
ghostwhite=f8f8ff gold=ffd700 goldenrod=daa520 gray=808080 green=008000 greenyellow=adff2f grey=808080
honeydew=f0fff0 hotpink=ff69b4 indianred=cd5c5c indigo=4b0082 ivory=fffff0 khaki=f0e68c lavender=e6e6fa
lavenderblush=fff0f5 lawngreen=7cfc00 lemonchiffon=fffacd lightblue=add8e6 lightcoral=f08080 lightcyan=e0ffff
lightgoldenrodyellow=fafad2 lightgray=d3d3d3 lightgreen=90ee90 lightgrey=d3d3d3 lightpink=ffb6c1
lightsalmon=ffa07a lightseagreen=20b2aa lightskyblue=87cefa lightslategray=778899 lightslategrey=778899
lightsteelblue=b0c4de lightyellow=ffffe0 lime=00ff00 limegreen=32cd32 linen=faf0e6 magenta=ff00ff maroon=800000
mediumaquamarine=66cdaa mediumblue=0000cd mediumorchid=ba55d3 mediumpurple=9370db mediumseagreen=3cb371
mediumslateblue=7b68ee mediumspringgreen=00fa9a mediumturquoise=48d1cc mediumvioletred=c71585
midnightblue=191970 mintcream=f5fffa mistyrose=ffe4e1 moccasin=ffe4b5 navajowhite=ffdead navy=000080
oldlace=fdf5e6 olive=808000 olivedrab=6b8e23 orange=ffa500 orangered=ff4500 orchid=da70d6 palegoldenrod=eee8aa
palegreen=98fb98 paleturquoise=afeeee palevioletred=db7093 papayawhip=ffefd5 peachpuff=ffdab9 peru=cd853f
pink=ffc0cb plum=dda0dd powderblue=b0e0e6 purple=800080 rebeccapurple=663399 red=ff0000 rosybrown=bc8f8f
royalblue=4169e1 saddlebrown=8b4513 salmon=fa8072 sandybrown=f4a460 seagreen=2e8b57 seashell=fff5ee
sienna=a0522d silver=c0c0c0 skyblue=87ceeb slateblue=6a5acd slategray=708090 slategrey=708090 snow=fffafa
springgreen=00ff7f steelblue=4682b4 tan=d2b48c teal=008080 thistle=d8bfd8 tomato=ff6347 turquoise=40e0d0
violet=ee82ee wheat=f5deb3 white=ffffff whitesmoke=f5f5f5 yellow=ffff00 yellowgreen=9acd32
transparent=00000000 none=00000000
"""
_NAMED = {name: f"#{digits}" for name, _, digits in (entry.partition("=") for entry in _TABLE.split())}
"""The colour names of CSS."""
