"""Spoken numbers: the one reader of words and digits that every type uses.

A reader takes tokens and a position, and returns the value with the position after it, or None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TypeAlias

Value: TypeAlias = "int | Fraction"
Read: TypeAlias = "tuple[Value, int] | None"

END = ""  # the last token of every list, so that readers may look ahead

SMALL = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
        " seventeen"
        " eighteen nineteen".split()
    )
} | {"nought": 0, "naught": 0, "nil": 0}
TENS = {
    word: 10 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
TENS |= {"fourty": 40, "ninty": 90}
_UNITS = {word: value for word, value in SMALL.items() if 0 < value < 10} | {str(unit): unit for unit in range(1, 10)}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
GROUPS = {"hundred", "dozen", *SCALES}
ARTICLES = {"a", "an"}
PARTS = {
    word: value
    for value, word in enumerate("third fourth fifth sixth seventh eighth ninth tenth".split(), 3)
} | {"half": 2, "quarter": 4, "hundredth": 100}
PARTS |= {f"{word}s": value for word, value in PARTS.items() if word != "half"} | {"halves": 2}

_TOKEN = re.compile(
    r"[0-9]+(?:st|nd|rd|th)\b|[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
    r"|[^\W\d_]+(?:'[^\W\d_]+)*|\*\*|[^\s]"
)
_SYMBOLS = str.maketrans(
    {"’": "'", "‘": "'", "–": "-", "—": "-", "−": "-", "×": "*", "·": "*", "÷": "/", "⁄": "/", "½": " 1/2 "}
    | {"¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 ", "²": " squared ", "³": " cubed ",
     "√": " square root of ", "π": " pi "}
)
_HYPHEN = re.compile(r"(?<=[^\W_])-(?=[^\W\d_])")


def plain(text: str) -> str:
    """Lower case, with typographic signs as plain ones and hyphenated words apart."""
    return _HYPHEN.sub(" ", text.lower().translate(_SYMBOLS))


def tokens_of(text: str) -> list[str]:
    """The words, numbers and signs of a text made plain, with END behind them."""
    return [*_TOKEN.findall(plain(text)), END]


def read_number(tokens: Sequence[str], at: int = 0, compound: bool = True) -> Read:
    """A number without sign: "twenty one", "2.5 million", "three quarters", "two and a half".

    Where it may be `compound`, "1/2" and "a quarter of a million" are numbers too; else they are left to the caller.
    """
    if tokens[at] in ("half", "quarter", "third"):
        return _with_group(Fraction(1, PARTS[tokens[at]]), tokens, at + 1, compound)
    if tokens[at] == "point":
        return _read_decimals(0, tokens, at)
    whole = _read_whole(tokens, at)
    if whole is None:
        return None
    value, after = whole
    if tokens[after] == "point":
        return _read_decimals(value, tokens, after) or whole
    if _is_part_of(value, tokens, after):
        return _with_group(Fraction(value, PARTS[tokens[after]]), tokens, after + 1, compound)
    if compound and tokens[after] == "/":
        return _read_slash(value, tokens, after + 1)
    return _read_mixed(value, tokens, after, compound)


def number_in(text: str) -> Value | None:
    """The number that a whole text says, with its sign, or None."""
    tokens = tokens_of(text)
    negative = tokens[0] in ("minus", "negative", "-")
    read = read_number(tokens, int(negative))
    if read is None:
        return None
    if 0 < read[0] < 1 and tokens[read[1] :] in (["a", END], ["an", END], ["of", "a", END], ["of", "an", END]):
        return read[0]  # "half a", before a cup
    if tokens[read[1]] != END:
        return None
    return -read[0] if negative else read[0]


def digits(value: Value) -> str | None:
    """A value as plain digits, "2.5", or None where it has no end ("1/3")."""
    if value.denominator == 1:
        return str(value.numerator)
    rest, places = value.denominator, 0
    while rest % 10 in (0, 2, 4, 5, 6, 8) and rest > 1 and places < 40:
        rest = rest // 10 if rest % 10 == 0 else rest // 5 if rest % 5 == 0 else rest // 2
        places += 1
    if rest > 1:
        return None
    scaled = abs(value) * 10**places
    text = str(scaled.numerator).rjust(places + 1, "0") if scaled.denominator == 1 else ""
    return ("-" if value < 0 else "") + f"{text[:-places]}.{text[-places:]}".rstrip("0")


def _numeral(token: str) -> Value | None:
    if not token or token[-1] not in "0123456789" or not token.isascii():
        return None
    token = token.replace(",", "")
    return int(token) if "." not in token else Fraction(token)


def _read_small(tokens: Sequence[str], at: int, first: bool) -> Read:
    """Below one hundred in words, or a numeral of any size; "a" is one where it comes first."""
    word = tokens[at]
    if word in TENS:
        unit = _UNITS.get(tokens[at + 1], 0)
        return (TENS[word] + unit, at + 2) if unit else (TENS[word], at + 1)
    if word in SMALL:
        if first and tokens[at + 1] in TENS and 0 < SMALL[word] < 10:  # "two fifty"
            rest = _read_small(tokens, at + 1, first=False)
            return (SMALL[word] * 100 + rest[0], rest[1]) if rest else None
        return SMALL[word], at + 1
    if word in ARTICLES:
        return (1, at + 1) if first else None
    value = _numeral(word)
    return None if value is None else (value, at + 1)


def _read_group(tokens: Sequence[str], at: int, first: bool) -> Read:
    """What stands before a thousand or a million: "a hundred and five", "twenty one", "two dozen", "a couple of"."""
    if tokens[at] in GROUPS and first:
        value: Value = 1  # "hundred and five": the one is not said
    else:
        small = _read_small(tokens, at, first or tokens[at + 1 : at + 2] == ["hundred"])
        if small is None and tokens[at] != "couple":
            return None
        value, at = small or (1, at)
    word = tokens[at]
    if word == "hundred" and value < 100:
        value, at = value * 100, at + 1
        rest = _read_small(tokens, at + (tokens[at] == "and"), first=False)
        if rest and rest[0] < 100 and tokens[rest[1]] not in PARTS:
            return value + rest[0], rest[1]
    elif word == "dozen":
        return value * 12, at + 1
    elif word == "couple" and value == 1:
        return 2, at + 1 + (tokens[at + 1] == "of")
    return value, at


def _read_whole(tokens: Sequence[str], at: int) -> Read:
    total: Value = 0
    limit: int | None = None  # the scale before: "two thousand" may be followed by less than a thousand only
    start = at
    while True:
        skip = limit is not None and tokens[at] == "and"
        group = _read_group(tokens, at + skip, first=at == start)
        if group is None:
            break
        value, after = group
        scale = SCALES.get(tokens[after], 1)
        if limit is not None and (value * scale >= limit or tokens[after] in PARTS):
            break
        total, at = total + value * scale, after + (scale > 1)
        if scale == 1:
            break
        limit = scale
    return (total, at) if at > start else None


def _read_decimals(value: Value, tokens: Sequence[str], at: int) -> Read:
    """The digits behind "point", said one by one or as one number, then perhaps "million"."""
    text, at = "", at + 1
    while True:
        word = tokens[at]
        if word in ("oh", "o"):
            text += "0"
        elif word in SMALL:
            text += str(SMALL[word])
        elif word in TENS:
            small = _read_small(tokens, at, first=False)
            text, at = text + str(small[0] if small else ""), (small[1] if small else at) - 1
        elif word.isdigit() and word.isascii():
            text += word
        else:
            break
        at += 1
    if not text or value.denominator != 1:
        return None
    return _scaled(value + Fraction(int(text), 10 ** len(text)), tokens, at)


def _scaled(value: Value, tokens: Sequence[str], at: int) -> Read:
    scale = SCALES.get(tokens[at]) or (100 if tokens[at] == "hundred" else 1)
    return value * scale, at + (scale > 1)


def _is_part_of(value: Value, tokens: Sequence[str], at: int) -> bool:
    word = tokens[at]
    if word not in PARTS or value.denominator != 1:
        return False
    return word.endswith("s") or word == "half" or (word == "quarter" and value == 3) if value > 1 else value == 1


def _with_group(part: Fraction, tokens: Sequence[str], at: int, compound: bool) -> Read:
    """A fraction, or a fraction of a group: "half a million", "a quarter of a million", "half a dozen"."""
    of = at + (tokens[at] == "of")
    whole = None
    if tokens[of] in ARTICLES and tokens[of + 1] in GROUPS and (compound or of == at):
        whole = _read_whole(tokens, of)
    return (part * whole[0], whole[1]) if whole else (part, at)


def _read_slash(value: Value, tokens: Sequence[str], at: int) -> Read:
    below = _numeral(tokens[at])
    return (Fraction(value) / below, at + 1) if below else (value, at - 1)


def _read_mixed(value: Value, tokens: Sequence[str], at: int, compound: bool) -> Read:
    """What may follow a whole number: "and a half", "and three quarters", "1/2"."""
    if value.denominator != 1:
        return value, at
    if tokens[at] == "and" and (part := _read_part(tokens, at + 1, compound)):
        return value + part[0], part[1]
    if len(tokens) > at + 2 and tokens[at + 1] == "/" and (above := _numeral(tokens[at])):
        below = _numeral(tokens[at + 2])
        if below and above < below:
            return value + Fraction(above) / below, at + 3
    return value, at


def _read_part(tokens: Sequence[str], at: int, compound: bool) -> Read:
    """A fraction below one."""
    if tokens[at] not in ARTICLES and tokens[at] not in SMALL and tokens[at] not in PARTS and not tokens[at].isdigit():
        return None
    if tokens[at] in ARTICLES and tokens[at + 1] not in PARTS:
        return None
    part = read_number(tokens, at, compound)
    return part if part and 0 < part[0] < 1 else None


def jsgf_numbers(prefix: str) -> str:
    """The rules `<{prefix}_unit>` (1 to 9), `<{prefix}_99>` (1 to 99) and `<{prefix}_999>` (1 to 999) in words."""
    units, teens = " | ".join(list(SMALL)[1:10]), " | ".join(list(SMALL)[10:20])
    return (
        f"<{prefix}_unit> = {units};\n"
        f"<{prefix}_tens> = {' | '.join(list(TENS)[:8])};\n"
        f"<{prefix}_99> = <{prefix}_unit> | {teens} | <{prefix}_tens> [<{prefix}_unit>];\n"
        f"<{prefix}_999> = <{prefix}_99> | (a | <{prefix}_unit>) hundred [[and] <{prefix}_99>];\n"
    )
