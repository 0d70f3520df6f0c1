"""What people say around a command: "hey otto, could you … for me, please"."""

from __future__ import annotations

from collections.abc import Sequence

LEADS = tuple(
    tuple(text.split())
    for text in (
        "hey otto|okay otto|ok otto|hi otto|hello otto|otto|please|um|uh|so|okay|ok|well|hey|can you|could you|would you|"
        "can you please|could you please|would you please"
    ).split("|")
)
TAILS = tuple(tuple(text.split()) for text in "please|otto|thanks|thank you|for me|for me please".split("|"))
MAX_CHAIN = 3  # lead-ins and tails that are taken off, one after another


def without_fillers(texts: Sequence[str]) -> list[tuple[int, int]]:
    """The ranges of words to look up: all of them, then less a lead-in, a tail, or both, the longest first."""
    words = tuple(texts)
    firsts, lasts = [0], [len(words)]
    for _ in range(MAX_CHAIN):
        firsts += [first + len(lead) for first in firsts for lead in LEADS if words[first : first + len(lead)] == lead]
        lasts += [last - len(tail) for last in lasts for tail in TAILS if words[max(last - len(tail), 0) : last] == tail]
    ranges = {(first, last) for first in firsts for last in lasts if first < last}
    return sorted(ranges, key=lambda item: item[0] - item[1])
