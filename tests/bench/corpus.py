"""The skills and sentences of the benchmark: Otto's own examples, and other skills to have many."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.embedded.rows import Row, rows_of_examples
from finetune.embedded.split import Split, split_rows
from otto.call import Call
from otto.parameters import Parameter
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec, check_example
from tests.bench.measure import Sentence

TEN = ("news", "math", "notes", "openai", "runapp", "story", "timecheck", "timer", "weather", OTHER)
KNOWN, COMMAND, STRAY = "known phrase", "new command", "stray talk"
CORPORA = {"snips": "snips_train.jsonl", "hwu64": "hwu64_train.jsonl", "clinc": "clinc_train.jsonl"}
SEED = 7
_LEAST = 5  # examples, or a foreign skill is left out


@dataclass(frozen=True)
class Case:
    """A sentence and the call that it should become."""

    sentence: Sentence
    call: Call


def without_held_out(registry: Registry) -> tuple[Registry, Split]:
    """The skills with the examples that may be learnt from, and the split that says which ones are kept back."""
    split = split_rows(rows_of_examples(registry))
    kept = {row.text for row in split.train} - {row.text for row in split.held_out}
    return Registry.of(replace(spec, examples=tuple(item for item in spec.examples if item.text in kept)) for spec in registry), split


def cases(split: Split, count: int | None) -> list[Case]:
    """Sentences of the ten skills: held-out commands and stray talk, and a few phrases that stand in the examples."""
    rng = random.Random(SEED)
    held = [row for row in _distinct(split.held_out) if row.skill in TEN]
    known = [row for row in _distinct(split.train) if row.skill in TEN and row.skill != OTHER]
    groups = {
        COMMAND: [row for row in held if row.skill != OTHER],
        STRAY: [row for row in held if row.skill == OTHER],
        KNOWN: rng.sample(known, min(100, len(known))),
    }
    found = [Case(Sentence(row.text, kind), row.call) for kind, rows in groups.items() for row in rng.sample(rows, min(count or len(rows), len(rows)))]
    rng.shuffle(found)
    return found


def _distinct(rows: list[Row]) -> list[Row]:
    return list({row.text: row for row in rows}.values())


def many(bundled: Registry, count: int, data: Path, examples: int) -> Registry:
    """The bundled skills and as many others as make `count`, each with at most so many examples."""
    foreign = _corpus_skills(data, examples) if has_corpora(data) else _made_up_skills(examples)
    chosen = random.Random(SEED).sample(foreign, count - len(bundled))
    return Registry.of([*bundled, *chosen])


def has_corpora(data: Path) -> bool:
    """Whether the public data are there."""
    return all((data / name).is_file() and (data / "skills" / f"{source}.json").is_file() for source, name in CORPORA.items())


def _corpus_skills(data: Path, examples: int) -> list[SkillSpec]:
    rng = random.Random(SEED)
    found = []
    for source, name in CORPORA.items():
        rows: dict[str, list[Example]] = {}
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            if item["skill"]:
                call = Call(f"{source}_{item['skill']['name']}", item["call"]["arguments"])
                rows.setdefault(item["skill"]["name"], []).append(Example(item["text"], call))
        for spec in Registry.from_json(data / "skills" / f"{source}.json"):
            renamed = replace(spec, name=f"{source}_{spec.name}")
            usable = [example for example in rows.get(spec.name, []) if check_example(renamed, example) is None]
            if len(usable) >= _LEAST:
                found.append(replace(renamed, examples=tuple(rng.sample(usable, min(examples, len(usable))))))
    return found


_VERBS = "clean check count fetch hide label move open order paint repair sort".split()
_NOUNS = "bicycle blanket bottle camera carpet curtain drawer engine fence guitar kettle ladder mirror pillow statue toolbox tractor violin".split()
_ROOMS = "kitchen garage cellar garden attic hallway bedroom office".split()
_WAYS = ("{verb} the {noun} in the {room}", "can you {verb} the {noun} in the {room}", "i want you to {verb} the {room} {noun}", "{noun} in the {room} {verb} it please")


def _made_up_skills(examples: int) -> list[SkillSpec]:
    return [_made_up(verb, noun, examples) for verb in _VERBS for noun in _NOUNS]


def _made_up(verb: str, noun: str, examples: int) -> SkillSpec:
    name = f"{verb}_{noun}"
    said = [Example(way.format(verb=verb, noun=noun, room=room), Call(name, {"room": room})) for way in _WAYS for room in _ROOMS]
    return SkillSpec(name, f"{verb.capitalize()} the {noun} in a room.", (Parameter("room", "the room", plain=str),), examples=tuple(said[:examples]))
