"""Bases for the tests of the stages: a Llama and a Mistral of a quarter of a million parameters that know the words, and another notation.

LoRA on random weights learns nothing, so each is trained for some seconds by plain torch: to answer in a notation that is not the call
syntax, and to repeat calls. A stage then has the call syntax to teach.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import tiny
from finetune.rows import TrainingRow, json_lines
from otto.call import Call

STEPS = 300
HALF_TUNED = (
    "training.learning_rate=5e-3", "training.batch=16", "training.accumulate=1", "training.max_length=128", "evaluation.max_new_tokens=32",
    "lora.dropout=0",
)  # fmt: skip
TOWNS = "Berlin Paris London Oslo Rome Madrid Vienna Lisbon Athens Dublin".split()
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12}
THINGS = ["buy milk", "call mum", "water the plants", "pay rent", "feed the cat", "book a table"]
STRAY = ["no I was talking to my sister", "that is a nice hat", "what did you say", "he never came back", "well I think so", "it was fun"]


def sentences() -> list[tuple[str, Call, str]]:
    """What is said, the call, and the template, of the toy skills."""
    found = []
    for word, number in NUMBERS.items():
        for said in ("set a timer for {} minutes", "{} minute timer please", "count down {} minutes"):
            found.append((said.format(word), Call("timer", {"duration": f"{number} minutes"}), said))
        for said in ("volume to {}", "set the volume to {}"):
            found.append((said.format(word), Call("volume", {"action": "set", "level": number}), said))
    for town in TOWNS:
        for said in ("weather in {}", "what is the weather like in {}", "is it raining in {}"):
            found.append((said.format(town), Call("weather", {"location": town}), said))
    for thing in THINGS:
        for said in ("note {}", "write down {}", "remember to {}"):
            found.append((said.format(thing), Call("note", {"text": thing}), said))
    found += [(said, Call("other"), said) for said in STRAY for _ in range(2)]
    return found


def prompt(said: str) -> str:
    return f"<s>[INST] {said} [/INST]"


def rows(seed: int = 3) -> list[TrainingRow]:
    """Training rows with a short prompt, in mixed order; a quarter is of the validation split, an eighth of the test split."""
    found = sentences()
    random.Random(seed).shuffle(found)
    splits = ["validation" if number % 4 == 0 else "test" if number % 8 == 1 else "train" for number in range(len(found))]
    return [
        TrainingRow(prompt(said), f" {call}", call.name, template, f"rows:{number}", split, said)
        for number, ((said, call, template), split) in enumerate(zip(found, splits, strict=True), 1)
    ]


def half_tuned(folder: Path, base: Path, steps: int = 30) -> dict[str, Any]:
    """What a stage behind the supervised one is given: base, skills, rows, and an adapter that is not done learning; and its shares."""
    from finetune.config import Sft, load_stage, shipped
    from finetune.stages import sft

    (folder / "skills").mkdir()
    (folder / "skills" / "toy.py").write_text(SKILLS)
    data = write_rows(folder / "training.jsonl", rows())
    given = {"base": base, "skills": folder / "skills", "data": data, "out": folder / "sft", "training.steps": steps}
    settings = load_stage(shipped("sft"), [*(f"{name}={value}" for name, value in given.items()), *HALF_TUNED])
    assert isinstance(settings, Sft)
    outcome = sft.run(settings, lambda text: None)
    return {"base": base, "skills": folder / "skills", "rows": data, "adapter": outcome.adapter, "after": outcome.after}


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(f"{line}\n" for line in json_lines(rows)), encoding="utf-8")
    return path


class Bases(dict[str, Path]):
    """Kind → folder of the base, made once a session."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, kind: str) -> Path:
        folder = self.folder / f"tiny-{kind}"
        folder.mkdir()
        self[kind] = make_base(kind, folder)
        return self[kind]


def make_base(kind: str, folder: Path, seed: int = 1, steps: int = STEPS) -> Path:
    """A base of a kind, "llama" or "mistral", in a folder."""
    found = sentences()
    pairs = [(prompt(said), f" {tiny.other_notation(call)}</s>") for said, call, _ in found]
    pairs += [(f"<s>again {call}", f" {call}</s>") for _, call, _ in found]
    loss = tiny.make_base([pairs], folder, kind=kind, vocabulary=480, steps=steps, batch=24, seed=seed)
    (folder / "pretraining.json").write_text(json.dumps({"loss": loss}))
    return folder


SKILLS = '''"""The skills of the sentences."""

from typing import Annotated, Literal

from pydantic import Field

from otto import Duration, Location, skill


@skill(examples={"set a timer for one minute": 'timer(duration="1 minute")'})
def timer(duration: Duration) -> str:
    """Set a timer."""
    return ""


@skill(examples={"weather in Bern": 'weather(location="Bern")'})
def weather(location: Location) -> str:
    """Tell the weather."""
    return ""


@skill(examples={"volume to one": 'volume(action="set", level=1)'})
def volume(action: Literal["up", "down", "set"], level: Annotated[int, Field(ge=0, le=100)]) -> str:
    """Change the volume."""
    return ""


@skill(examples={"note call dad": 'note(text="call dad")'})
def note(text: str) -> str:
    """Write something down."""
    return ""
'''
