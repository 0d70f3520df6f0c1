"""Pronunciations for words that the dictionary lacks, so that no word can break a grammar.

In order: two or three dictionary words written as one ("unmute", "wifi"), an ending on a dictionary word ("podcasts"),
letters by name where there is no vowel ("kg"), and English spelling rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

Lookup = Callable[[str], "str | None"]  # word → phones in ARPABET without stress ("K AE T"), None if unknown

_LETTERS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "EY", "B IY", "S IY", "D IY", "IY", "EH F", "JH IY", "EY CH", "AY", "JH EY", "K EY", "EH L", "EH M", "EH N", "OW", "P IY",
            "K Y UW", "AA R", "EH S", "T IY", "Y UW", "V IY", "D AH B AH L Y UW", "EH K S", "W AY", "Z IY",
        ],
        strict=True,
    )
)  # fmt: skip
_DIGITS = dict(
    zip(
        "0123456789",
        ["Z IH R OW", "W AH N", "T UW", "TH R IY", "F AO R", "F AY V", "S IH K S", "S EH V AH N", "EY T", "N AY N"],
        strict=True,
    )
)

# (spelling, what follows as a regular expression, phones): the first that matches at a place is used, long before short.
_RULES = [
    ("tion", "", "SH AH N"), ("sion", "", "ZH AH N"), ("ture", "$", "CH ER"), ("ough", "", "OW"), ("augh", "", "AO"),
    ("eigh", "", "EY"), ("igh", "", "AY"), ("tch", "", "CH"), ("sch", "", "SH"), ("dge", "", "JH"), ("oor", "", "AO R"),
    ("eer", "", "IH R"), ("ear", "", "IH R"), ("air", "", "EH R"), ("our", "", "AO R"), ("ght", "", "T"), ("que", "$", "K"),
    ("gue", "$", "G"), ("ck", "", "K"), ("ch", "[lr]", "K"), ("ch", "", "CH"), ("sh", "", "SH"), ("th", "", "TH"), ("ph", "", "F"),
    ("wh", "", "W"), ("qu", "", "K W"), ("kn", "", "N"), ("wr", "", "R"), ("gh", "", "G"), ("ng", "$|s$", "NG"), ("nk", "", "NG K"),
    ("sc", "[eiy]", "S"), ("ee", "", "IY"), ("ea", "", "IY"), ("oo", "", "UW"), ("oa", "", "OW"), ("ou", "", "AW"), ("ow", "$", "OW"),
    ("ow", "", "AW"), ("oi", "", "OY"), ("oy", "", "OY"), ("ai", "", "EY"), ("ay", "", "EY"), ("au", "", "AO"), ("aw", "", "AO"),
    ("ei", "", "AY"), ("ey", "", "IY"), ("ie", "$|s$", "IY"), ("oe", "$|s$", "OW"), ("ie", "", "IY"), ("eu", "", "Y UW"), ("ew", "", "Y UW"),
    ("ue", "$", "UW"),
    ("ar", "", "AA R"), ("er", "", "ER"), ("ir", "", "ER"), ("ur", "", "ER"), ("re", "$|s$", "ER"), ("or", "", "AO R"), ("le", "$", "AH L"),
    ("a", "[bcdfgklmnpstvz](e$|es$)", "EY"), ("e", "[bcdfgklmnpstvz](e$|es$)", "IY"), ("i", "[bcdfgklmnpstvz](e$|es$)", "AY"),
    ("o", "[bcdfgklmnpstvz](e$|es$)", "OW"), ("u", "[bcdfgklmnpstvz](e$|es$)", "UW"), ("o", "$", "OW"), ("a", "$", "AH"),
    ("i", "$", "IY"), ("u", "$", "UW"), ("y", "$", "IY"), ("y", "[aeiou]", "Y"), ("c", "[eiy]", "S"), ("g", "[eiy]", "JH"), ("x", "^", "Z"),
    ("e", "$", ""), ("es", "$", "Z"), ("ed", "$", "D"), ("a", "", "AE"), ("b", "", "B"), ("c", "", "K"), ("d", "", "D"), ("e", "", "EH"),
    ("f", "", "F"), ("g", "", "G"), ("h", "", "HH"), ("i", "", "IH"), ("j", "", "JH"), ("k", "", "K"), ("l", "", "L"), ("m", "", "M"),
    ("n", "", "N"), ("o", "", "AA"), ("p", "", "P"), ("q", "", "K"), ("r", "", "R"), ("s", "", "S"), ("t", "", "T"), ("u", "", "AH"),
    ("v", "", "V"), ("w", "", "W"), ("x", "", "K S"), ("y", "", "IH"), ("z", "", "Z"),
]  # fmt: skip
_PATTERNS = [(re.compile(f"{spelling}(?={after})" if after else spelling), phones) for spelling, after, phones in _RULES]
_YOUNGER_THAN_THE_DICTIONARY = {
    "chatgpt": "CH AE T JH IY P IY T IY", "gpt": "JH IY P IY T IY", "gimp": "G IH M P", "emoji": "IH M OW JH IY", "emojis": "IH M OW JH IY Z",
}  # fmt: skip
_ENDINGS = {
    "'s": "Z", "s": "Z", "es": "Z", "ing": "IH NG", "ed": "D", "er": "ER", "ers": "ER Z", "ly": "L IY", "y": "IY", "ish": "IH SH", "less": "L AH S",
}  # fmt: skip
_UNVOICED = ("P", "T", "K", "F", "TH")
_SHORTEST_PART = 2  # letters; shorter parts make nonsense of any word


def pronounce(word: str, lookup: Lookup) -> str:
    """Return one pronunciation of any word: phones in ARPABET without stress, parted by blanks; never empty."""
    plain = unicodedata.normalize("NFKD", word.lower()).encode("ascii", "ignore").decode()
    pieces = re.findall(r"[a-z]+(?:'[a-z]+)*|\d", plain)
    phones = [_DIGITS.get(piece) or lookup(piece) or _YOUNGER_THAN_THE_DICTIONARY.get(piece) or _made_up(piece, lookup) for piece in pieces]
    return " ".join(phones) or _LETTERS["x"]  # signs alone: any sound will do, nobody can say them


def _made_up(word: str, lookup: Lookup) -> str:
    return _compound(word, lookup) or _with_ending(word, lookup) or _spelled_out(word) or _by_rule(word)


def _compound(word: str, lookup: Lookup) -> str | None:
    """The split into two words whose shorter one is longest; three words only where each is long."""
    halves = [
        (min(len(head), len(tail)), f"{first} {second}")
        for head, tail in _splits(word)
        if (first := lookup(head)) and (second := lookup(tail))
    ]
    if halves:
        return max(halves)[1]
    for head, tail in _splits(word):
        if len(head) > _SHORTEST_PART and (first := lookup(head)) and len(tail) > 2 * _SHORTEST_PART:
            for middle, end in _splits(tail):
                if min(len(middle), len(end)) > _SHORTEST_PART and (second := lookup(middle)) and (third := lookup(end)):
                    return f"{first} {second} {third}"
    return None


def _splits(word: str) -> Iterator[tuple[str, str]]:
    for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
        yield word[:cut], word[cut:]


def _with_ending(word: str, lookup: Lookup) -> str | None:
    for ending, sound in _ENDINGS.items():
        stem = word.removesuffix(ending)
        if stem == word:
            continue
        phones = lookup(stem) or lookup(stem + "e") or _compound(stem, lookup)
        if phones:
            return f"{phones} {_voiced(phones, sound)}"
    return None


def _voiced(phones: str, sound: str) -> str:
    """cats has S, dogs has Z, wishes has AH Z; and so for T, D, AH D."""
    last = phones.split()[-1]
    if sound == "Z":
        return "AH Z" if last in ("S", "Z", "SH", "ZH", "CH", "JH") else "S" if last in _UNVOICED else "Z"
    if sound == "D":
        return "AH D" if last in ("T", "D") else "T" if last in (*_UNVOICED, "S", "SH", "CH") else "D"
    return sound


def _spelled_out(word: str) -> str | None:
    letters = word.replace("'", "")
    if re.search("[aeiouy]", letters) and len(letters) > 1:
        return None
    return " ".join(_LETTERS[letter] for letter in letters)


def _by_rule(word: str) -> str:
    letters = re.sub(r"([^aeiou])\1", r"\1", word.replace("'", ""))
    phones, place = [], 0
    while place < len(letters):
        for pattern, sound in _PATTERNS:
            if match := pattern.match(letters, place):
                phones.append(sound)
                place = match.end()
                break
    return " ".join(filter(None, phones)) or _spelled_out(word.translate(str.maketrans("", "", "aeiouy"))) or _LETTERS["e"]
