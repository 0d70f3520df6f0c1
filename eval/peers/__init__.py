"""Other recognisers on the same cases, each in a process and an environment of its own.

lesson.py writes what a peer is made from, worker.py is the peer's process, client.py is its router on our side, install.py makes the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ASSIST = "home-assistant"


@dataclass(frozen=True)
class Peer:
    """A recogniser, and what is to be known of it."""

    package: str
    what: str


PEERS: Mapping[str, Peer] = {
    "hassil": Peer("hassil", "templates from the training rows; a slot takes their values, or any words where the rows hardly repeat one"),
    "hassil-wildcards": Peer("hassil", "the same templates; a slot takes any words"),
    ASSIST: Peer("home-assistant-intents", "Home Assistant's own English sentences, asked only about what they can express"),
    "padatious": Peer("padatious", "the same values; at most 40 templates an intent, evenly drawn, since it trains for hours on thousands"),
    "padacioso": Peer("padacioso", "the same values and templates; its pool of processes for each query is replaced by a loop with the same answers"),
    "adapt": Peer("adapt-parser", "values from the training rows, and the words that tell their skills apart as keywords"),
}
