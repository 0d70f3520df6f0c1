"""What the tagger sees of a sentence: hashed word and letter n-grams, and for each word its surroundings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from zlib import crc32

WORD_GRAMS = (1, 2, 3)
LETTER_GRAMS = (2, 3, 4, 5)
MANY = 20  # sentences: a word is counted no further


def grams(words: Sequence[str]) -> dict[int, float]:
    """Hash of an n-gram → 1 + log of its count. Hashes of letters are even, those of words odd, so that each block can be scaled alone."""
    counts: Counter[int] = Counter()
    for size in WORD_GRAMS:
        for start in range(len(words) - size + 1):
            counts[crc32(" ".join(words[start : start + size]).encode()) | 1] += 1
    for word in words:
        counts.update(_letters(word))
    return {key: 1.0 + math.log(count) if count > 1 else 1.0 for key, count in counts.items()}


def _letters(word: str) -> Iterator[int]:
    padded = f" {word} "
    for size in LETTER_GRAMS:
        for start in range(max(1, len(padded) - size + 1)):
            yield crc32(padded[start : start + size].encode()) & ~1


def word_features(words: Sequence[str], label: str, outside: Mapping[str, int]) -> list[list[str]]:
    """For each word the attributes of the conditional random field.

    Args:
        words: the sentence.
        label: its skill and fixed arguments.
        outside: in how many other sentences of the skill a word stands outside of all values. A word that never does is likely a value.
    """
    rarity = [_rarity(outside.get(word, 0)) for word in words]
    return [_attributes(words, index, label, rarity) for index in range(len(words))]


def _rarity(count: int) -> str:
    return "never" if count < 1 else "seldom" if count < 3 else "sometimes" if count < MANY else "often"


def _attributes(words: Sequence[str], index: int, label: str, rarity: Sequence[str]) -> list[str]:
    word, rare, before, behind = words[index], rarity[index], _at(rarity, index - 1), _at(rarity, index + 1)
    found = [
        "bias",
        f"w={word}",
        f"end3={word[-3:]}",
        f"end2={word[-2:]}",
        f"start2={word[:2]}",
        f"shape={_shape(word)}",
        f"label={label}",
        f"label,w={label},{word}",
        f"label,shape={label},{_shape(word)}",
        f"left={_at(words, index - 1)},{word}",
        f"right={word},{_at(words, index + 1)}",
        f"left2={_at(words, index - 2)},{_at(words, index - 1)}",
        f"right2={_at(words, index + 1)},{_at(words, index + 2)}",
        f"rare={rare}",
        f"rare-1={before}",
        f"rare+1={behind}",
        f"rare-1,rare,rare+1={before},{rare},{behind}",
        f"rare,left={rare},{_at(words, index - 1)}",
        f"rare,right={rare},{_at(words, index + 1)}",
    ]
    for distance in (-3, -2, -1, 1, 2, 3):
        near = _at(words, index + distance)
        found.append(f"{distance}={near}")
        if abs(distance) <= 2:
            found += [f"label,{distance}={label},{near}", f"shape,{distance}={_shape(near)}"]
    if index >= len(words) - 2:
        found.append(f"last{len(words) - 1 - index}")
    if index < 2:
        found.append(f"first{index}")
    return found


def _at(words: Sequence[str], index: int) -> str:
    return words[index] if 0 <= index < len(words) else "<>"


_NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
    " twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half quarter dozen".split()
)


def _shape(word: str) -> str:
    if word in _NUMBER_WORDS:
        return "number"
    if word[0].isdigit():
        return "digits" + str(min(len(word), 4))
    return "letters" if word[0].isalpha() else "mark"
