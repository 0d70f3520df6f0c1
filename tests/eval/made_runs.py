"""Runs that the real runner made of twenty cases: the phrase book, taught other sentences each time, is right in a known part of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.measure import Options, measure
from eval.runs import Run, read_run
from otto.config import load_settings

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \u202eevil"

SKILLS = {
    "source": "tests",
    "skills": [
        {"name": "weather", "description": "Tell the weather.", "parameters": [{"name": "location", "type": "string", "description": "Where.", "required": True}]},
        {"name": "timer", "description": "Set a timer.", "parameters": [{"name": "duration", "type": "string", "description": "How long.", "required": True}]},
        {
            "name": "lights",
            "description": "Switch the lights.",
            "parameters": [{"name": "state", "type": "string", "description": "Which way.", "required": True, "enum": ["on", "off"]}],
        },
    ],
}

_FRAMES = {
    "weather": ["weather in {}", "is it raining in {}", "how warm is {} today", "do I need a coat in {}", "forecast for {}", "tell me about the sky over {}"],
    "timer": ["timer for {}", "count down {}", "wake the cook after {}", "remind me when {} are over", "give the eggs {}", "stop me in {}"],
}
_VALUES = {"weather": ("location", ["Rome", "Oslo", "Lima", "Cairo", "Quito", "Turin"]), "timer": ("duration", ["2 minutes", "3 hours", "4 days", "5 weeks", "6 months", "7 years"])}
_LIGHTS = [("make it bright", "on"), ("good night lamps", "off"), ("darkness please", "off"), ("let us see something", "on")]
STRAYS = [f"she read {HOSTILE} aloud", "pass me the salt", "we never talked about it", "the train was late again"]


def _rows() -> dict[str, dict[str, object]]:
    """w0…w5, t0…t5, l0…l3 and the stray s0…s3."""
    rows: dict[str, dict[str, object]] = {}
    for skill, frames in _FRAMES.items():
        parameter, values = _VALUES[skill]
        for index, (frame, value) in enumerate(zip(frames, values, strict=True)):
            rows[f"{skill[0]}{index}"] = {"text": frame.format(value), "call": {"name": skill, "arguments": {parameter: value}}}
    for index, (text, state) in enumerate(_LIGHTS):
        rows[f"l{index}"] = {"text": text, "call": {"name": "lights", "arguments": {"state": state}}}
    for index, text in enumerate(STRAYS):
        rows[f"s{index}"] = {"text": text, "call": None}
    return rows


ROWS = _rows()
LESSONS_A = [id for id in ROWS if id[0] in "wl"]
LESSONS_B = [id for id in ROWS if id[0] in "tl" or id in ("w0", "w1", "w2", "w3", "w4")]
TWISTED_B: Mapping[str, dict[str, object]] = {
    "l3": {"text": ROWS["l3"]["text"], "call": {"name": "lights", "arguments": {"state": "off"}}},  # a wrong argument
    "s3": {"text": ROWS["s3"]["text"], "call": {"name": "timer", "arguments": {"duration": "again"}}},  # a false call
}


def make(
    folder: Path,
    name: str,
    lessons: Sequence[str],
    twisted: Mapping[str, dict[str, object]] | None = None,
    only: Sequence[str] | None = None,
    group: str = "",
) -> Run:
    """Run the cases (`only` some of them) with a phrase book that knows the lessons; `group` puts the weather's into one group."""
    folder.mkdir(parents=True, exist_ok=True)
    extra = {id: {"group": group} for id in ROWS if id[0] == "w"} if group else {}
    cases = _write(folder / f"{name}.jsonl", {id: {**ROWS[id], **extra.get(id, {})} for id in only or ROWS})
    taught = _write(folder / f"{name}-lessons.jsonl", {id: (twisted or {}).get(id, ROWS[id]) for id in [*lessons, *(id for id in twisted or {} if id not in lessons)]})
    skills = folder / "skills.json"
    skills.write_text(json.dumps(SKILLS), encoding="utf-8")
    options = Options((str(cases),), skills=str(skills), train=str(taught), router="phrases")
    measured = measure(options, load_settings(environ={"OTTO_HOME": str(folder / "home")}), folder / name, command=["otto", "eval", "run", str(cases)])
    return read_run(measured.folder)


def _write(file: Path, rows: Mapping[str, Mapping[str, object]]) -> Path:
    file.write_text("".join(json.dumps({"id": id, **row}) + "\n" for id, row in rows.items()), encoding="utf-8")
    return file
