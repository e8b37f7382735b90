"""What may stand as a reaction: one emoji, or a short code."""

import re
import unicodedata

MOST_EMOJI = 40
"""Different emoji on one message."""

_SHORT_CODE = re.compile(r":[a-z0-9_+-]{1,32}:")
_JOINER, _TEXT_STYLE, _EMOJI_STYLE, _KEYCAP = "\u200d", "\ufe0e", "\ufe0f", "\u20e3"
_TAGS = range(0xE0020, 0xE0080)
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_MOST_PARTS = 8
"""People in one joined emoji and what they hold: Unicode has none with more than four."""


def normal_form(typed: str) -> str:
    """The reaction as it is stored, so that two ways to write one emoji are one. Raises ValueError for anything else.

    The style selectors are dropped, as clients disagree on sending them; a client shows every reaction as an emoji.
    """
    if _SHORT_CODE.fullmatch(typed):
        return typed
    text = typed.replace(_EMOJI_STYLE, "").replace(_TEXT_STYLE, "")
    parts = text.split(_JOINER)
    if not 1 <= len(parts) <= _MOST_PARTS or not all(map(_is_emoji, parts)):
        raise ValueError("a reaction is one emoji, or a short code such as :tada:")
    return text


def _is_emoji(part: str) -> bool:
    points = [ord(character) for character in part]
    if not points:
        return False
    if all(point in _REGIONAL for point in points):
        return len(points) == 2  # a flag
    if part[0] in "0123456789#*":
        return part[1:] == _KEYCAP
    rest = points[2:] if len(points) > 1 and points[1] in _SKIN_TONES else points[1:]
    return _is_pictograph(part[0]) and len(rest) <= 8 and all(point in _TAGS for point in rest)


def _is_pictograph(character: str) -> bool:
    # So covers emoji but for a few arrows and marks that are mathematical (Sm) or punctuation (Po) by category.
    return (
        unicodedata.category(character) == "So"
        or character in "‼⁉↔⤴⤵〰〽🫩♯▪▫◽◾"
        or ord(character) in range(0x1F000, 0x20000)
    )
