"""Cases: what was said, and the calls that it should become."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from otto.call import Call
from otto.skill import OTHER


@dataclass(frozen=True)
class Case:
    """One test case."""

    id: str
    text: str  # "" where only audio is there
    gold: tuple[tuple[Call, ...], ...]  # alternatives; each a set of calls; (Call("other"),) for stray talk
    ordered: bool = False  # whether the order of several calls matters
    group: str = ""  # cases that are resampled together: template, voice, speaker; "" is on its own
    source: str = ""  # file or suite
    audio: Path | None = None
    snr: float | None = None  # dB of added noise
    where: str = ""  # "file.jsonl:12", for messages

    @property
    def stray(self) -> bool:
        """Whether nothing is to be done: no alternative names a skill."""
        return all(call.name == OTHER for calls in self.gold for call in calls)


def sampled(cases: Sequence[Case], limit: int | None, seed: int) -> list[Case]:
    """At most `limit` of the cases, drawn by the seed, in their order. Of one seed, a larger draw has every case of a smaller one."""
    if limit is None or limit >= len(cases):
        return list(cases)
    chosen = sorted(range(len(cases)), key=lambda index: hashlib.sha256(f"{seed}:{cases[index].id}".encode()).digest())[:limit]
    return [cases[index] for index in sorted(chosen)]
