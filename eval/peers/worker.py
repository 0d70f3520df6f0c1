"""A peer in a process of its own: JSON lines in, JSON lines out. It runs in the peers' environment and knows nothing of Otto.

    {"peer": "adapt", "intents": [[template, …], …], "slots": {"sa": {"free": false, "values": […]}}, "skip_words": […]}   the first line
    {"ready": {"adapt-parser": "1.0.0"}}                                                  its answer
    {"text": "…"}                                                                    every further line
    {"intent": 3, "values": {"sa": "…"}, "cpu": 0.7}                  its answer; intent is null where nothing matches; CPU in milliseconds
    {"error": "…"}                                                    the answer to a line that cannot be answered
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module, metadata
from typing import Any, TextIO

# text → the number of an intent, a name of the peer's own, or None; and what each slot captured
Answerer = Callable[[str], "tuple[int | str | None, Mapping[str, str]]"]
NOTHING: tuple[None, dict[str, str]] = (None, {})
KEYWORDS = 40  # of an intent, for adapt
PADATIOUS_TEMPLATES = 40  # of an intent, evenly drawn: its networks train for hours on thousands
KEYWORD_SHARE = 0.3  # of a keyword's sentences that belong to the intent, at least


def _of(module: str, name: str) -> Any:
    """Something of a module of the peers' environment, which Otto's own does not have."""
    return getattr(import_module(module), name)


def hassil(lesson: Mapping[str, Any], closed: bool = True) -> Answerer:
    """Home Assistant's recogniser of sentence templates."""
    recognize_best, Intents = _of("hassil", "recognize_best"), _of("hassil.intents", "Intents")

    def slot_list(slot: Mapping[str, Any]) -> dict[str, Any]:
        if not closed or slot["free"] or not slot["values"]:
            return {"wildcard": True}
        return {"values": [{"in": value, "out": value} for value in slot["values"]]}

    intents = Intents.from_dict(
        {
            "language": "en",
            "intents": {str(number): {"data": [{"sentences": templates}]} for number, templates in enumerate(lesson["intents"])},
            "lists": {name: slot_list(slot) for name, slot in lesson["slots"].items()},
            "skip_words": lesson["skip_words"],
        }
    )

    def answer(text: str) -> tuple[int | str | None, Mapping[str, str]]:
        match = recognize_best(text, intents)
        if match is None:
            return NOTHING
        return int(match.intent.name), {name: str(entity.value) for name, entity in match.entities.items()}

    return answer


def hassil_wildcards(lesson: Mapping[str, Any]) -> Answerer:
    return hassil(lesson, closed=False)


def home_assistant(lesson: Mapping[str, Any]) -> Answerer:
    """hassil with Home Assistant's own sentences, heard by a satellite in the one room of a home without devices."""
    recognize_best, lists = _of("hassil", "recognize_best"), _of("hassil.intents", "TextSlotList")
    sentences = _of("home_assistant_intents", "get_intents")("en")
    sentences["skip_words"] = [*sentences.get("skip_words", []), *lesson["skip_words"]]  # it never hears the wake word
    intents = _of("hassil.intents", "Intents").from_dict(sentences)
    home = {name: lists.from_strings([], name=name) for name in ("area", "floor", "name")}

    def answer(text: str) -> tuple[int | str | None, Mapping[str, str]]:
        match = recognize_best(text, intents, slot_lists=home, intent_context={"area": "room"})
        if match is None:
            return NOTHING
        return match.intent.name, {name: str(entity.value) for name, entity in match.entities.items() if name != "area"}

    return answer


def padacioso(lesson: Mapping[str, Any]) -> Answerer:
    container = _of("padacioso", "IntentContainer")()
    for name, slot in lesson["slots"].items():
        container.add_entity(name, slot["values"])
    for number, templates in enumerate(lesson["intents"]):
        container.add_intent(str(number), templates)

    def answer(text: str) -> tuple[int | str | None, Mapping[str, str]]:
        # calc_intent forks a pool of processes for every query; this is what it does in them, and how it chooses.
        matches = [container._match(text, name, regexes) for name, regexes in container.intent_samples.items()]
        best = max((match for match in matches if match), key=lambda match: match["conf"], default=None)
        return NOTHING if best is None else (int(best["name"]), {name.lower(): str(value) for name, value in best["entities"].items()})

    return answer


def padatious(lesson: Mapping[str, Any]) -> Answerer:
    container = _of("padatious", "IntentContainer")(tempfile.mkdtemp(prefix="padatious-"))
    for name, slot in lesson["slots"].items():
        container.add_entity(name, slot["values"])
    for number, templates in enumerate(lesson["intents"]):
        container.add_intent(str(number), templates[:: 1 + len(templates) // PADATIOUS_TEMPLATES])
    container.train(single_thread=True)

    def answer(text: str) -> tuple[int | str | None, Mapping[str, str]]:
        match = container.calc_intent(text)
        # 0.5 is the least that Mycroft acts on.
        return (int(match.name), dict(match.matches)) if match.name and match.conf > 0.5 else NOTHING

    return answer


def adapt(lesson: Mapping[str, Any]) -> Answerer:
    """Keywords of each intent and values of each slot; adapt takes the intent whose words cover most of the sentence."""
    engine = _of("adapt.engine", "IntentDeterminationEngine")()
    for name, slot in lesson["slots"].items():
        for value in slot["values"]:
            engine.register_entity(value, name)
    for number, keywords in enumerate(_keywords(lesson["intents"])):
        for keyword in keywords:
            engine.register_entity(keyword, f"k{number}")
        builder = _of("adapt.intent", "IntentBuilder")(str(number)).require(f"k{number}")
        for name in sorted(set(re.findall(r"\{(\w+)\}", " ".join(lesson["intents"][number])))):
            builder = builder.optionally(name)
        engine.register_intent_parser(builder.build())

    def answer(text: str) -> tuple[int | str | None, Mapping[str, str]]:
        best = max(engine.determine_intent(text), key=lambda match: match["confidence"], default=None)
        if best is None:
            return NOTHING
        return int(best["intent_type"]), {name: str(best[name]) for name in lesson["slots"] if name in best}

    return answer


def _keywords(intents: Sequence[Sequence[str]]) -> list[list[str]]:
    """For each intent the words that stand in many of its sentences and in few of others."""
    counts = [Counter(word for template in templates for word in set(re.sub(r"\{\w+\}", " ", template).lower().split())) for templates in intents]
    total = sum(counts, Counter[str]())
    found = []
    for count, templates in zip(counts, intents, strict=True):
        telling = [word for word, number in count.most_common() if number / total[word] >= KEYWORD_SHARE and (number > 1 or len(templates) < 10)]
        found.append(telling[:KEYWORDS])
    return found


PEERS: dict[str, tuple[Callable[[Mapping[str, Any]], Answerer], Sequence[str]]] = {
    "hassil": (hassil, ["hassil"]),
    "hassil-wildcards": (hassil_wildcards, ["hassil"]),
    "home-assistant": (home_assistant, ["hassil", "home-assistant-intents"]),
    "padacioso": (padacioso, ["padacioso"]),
    "padatious": (padatious, ["padatious"]),
    "adapt": (adapt, ["adapt-parser"]),
}


def serve(lines: TextIO, out: TextIO) -> None:
    """Answer every line until there is none."""
    answer: Answerer | None = None
    for line in lines:
        try:
            request = json.loads(line)
            if answer is None:
                make, packages = PEERS[request["peer"]]
                answer = make(request)
                reply: dict[str, Any] = {"ready": {package: metadata.version(package) for package in packages}}
            else:
                started = time.process_time()
                intent, values = answer(request["text"])
                reply = {"intent": intent, "values": values, "cpu": (time.process_time() - started) * 1000}
        except ModuleNotFoundError as error:
            reply = {"error": f"{error.name} is not installed", "missing": error.name}
        except Exception as error:  # noqa: BLE001  a peer is foreign code: what it raises is the answer
            reply = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        out.write(json.dumps(reply) + "\n")
        out.flush()


def main() -> None:
    """Serve the standard input and output; what a peer prints goes to the standard error."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out, contextlib.redirect_stdout(sys.stderr):
        os.dup2(2, 1)
        serve(sys.stdin, out)


if __name__ == "__main__":
    main()
