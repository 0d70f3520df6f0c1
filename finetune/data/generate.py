"""New examples of a skill, asked of a server or sampled from the PhraseBook, each checked; what is set aside is named with its reason."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from finetune.data.server import BrokenAnswer, Form, Server
from otto.align import align
from otto.call import Call
from otto.errors import ExampleError, OttoError, StoreError, UsageError
from otto.examples import ASSISTANT, USER, parse_example_file, read_example_file
from otto.grammar import tools
from otto.phrases import PhraseBook
from otto.registry import Registry, user_skill_examples
from otto.skill import OTHER, Example, SkillSpec
from otto.tomlfile import replace_file
from otto.words import normal_text

NEAR = 95.0  # similarity in percent from which two sentences are the same one
A_REQUEST = 10  # examples that one request asks for
STALE = 4  # requests in a row without a new example, after which nothing more is to be had
OFFLINE_TRIES = 200  # samples for each example that is wanted
SHOWN = 8  # examples that a request shows
MAX_WORDS = 60
_FORBIDDEN = re.compile(r"<\|[^|<>\s]*\|>|\[/?INST\]|<</?SYS>>|</?s>|[\x00-\x1f\x7f]|^#|[{}]")

SYSTEM = """You write what different people say to a voice assistant, to teach it one of its functions. \
Sentences are spoken ones: short and long, polite and clipped, some with fillers, numbers in words and in digits, never twice alike. \
The value of a text argument stands in the sentence, word for word; an argument that is not said is left out."""


@dataclass(frozen=True)
class Candidate:
    """A new example, or one that was set aside: then `why` says what for."""

    said: str
    call: str
    why: str = ""

    @property
    def reason(self) -> str:
        """Why it was set aside, without the particulars."""
        return re.split(" of '| \\(| as ", self.why)[0]

    def __str__(self) -> str:
        return f"{USER} {self.said}\n{ASSISTANT} {self.call}\n"


@dataclass
class Checker:
    """Decides what is a new example of a skill."""

    spec: SkillSpec
    registry: Registry
    near: float = NEAR
    _known: dict[str, Call] = field(default_factory=dict)  # normal text → call, of all skills
    _own: list[str] = field(default_factory=list)  # normal texts of this skill

    def __post_init__(self) -> None:
        for spec in self.registry:
            for example in spec.examples:
                self._learn(example.text, example.call, own=spec.name == self.spec.name)

    def check(self, said: Any, arguments: Any) -> Candidate:
        """An answer's example; a new one is known from here on."""
        if not isinstance(said, str) or not isinstance(arguments, dict):
            return Candidate(str(said)[:200], str(arguments)[:200], "not in the format")
        said = " ".join(said.split()) if "\n" not in said.strip() else said
        shown = f"{self.spec.name}({arguments})"
        try:
            call = Call(self.spec.name, {name: value for name, value in arguments.items() if value is not None or self._nullable(name)})
            call = call if self.spec.name == OTHER and not call.arguments else self.spec.canonical(call)
        except OttoError as error:
            return Candidate(said, shown, f"no valid call ({error.what})")
        candidate = Candidate(said, str(call), self._fault(said, call))
        if not candidate.why:
            self._learn(said, call, own=True)
        return candidate

    def accept(self, candidate: Candidate) -> None:
        """Know what an earlier run found."""
        self._learn(candidate.said, Call.parse(candidate.call), own=True)

    def _nullable(self, name: str) -> bool:
        return any(parameter.name == name and parameter.nullable and parameter.required for parameter in self.spec.parameters)

    def _learn(self, said: str, call: Call, own: bool) -> None:
        text = normal_text(said)
        self._known[text] = call
        if own:
            self._own.append(text)

    def _fault(self, said: str, call: Call) -> str:
        from rapidfuzz import fuzz, process

        text = normal_text(said)
        if not text:
            return "nothing is said"
        if _FORBIDDEN.search(said) or Example(said, call).is_template:
            return "not a plain sentence"
        if len(text.split()) > MAX_WORDS:
            return f"longer than {MAX_WORDS} words"
        missing = align(self.spec, Example(said, call)).missing
        if missing:
            return f"{missing[0]} is not said"
        if text in self._known:
            return "duplicate" if self._known[text] == call else f"known as {self._known[text]}"
        nearest = process.extractOne(text, self._own, scorer=fuzz.ratio, score_cutoff=self.near)
        return f"near-duplicate of {nearest[0]!r} ({nearest[1]:.0f} %)" if nearest else ""


class Journal:
    """The side file of a run, one JSON object a line: what was found, set aside and spent. A second start goes on from it."""

    def __init__(self, path: Path, head: dict[str, Any]) -> None:
        """Raises UsageError where the file is another run's, StoreError where it cannot be read or written."""
        self.path = path
        self.found: list[Candidate] = []
        self.spent: dict[str, int] = {}
        self.decided: set[str] = set()  # sentences that the user has taken or left
        for row in self._rows():
            if "said" in row:
                self.found.append(Candidate(row["said"], row["call"], row["why"]))
            elif "decided" in row:
                self.decided.add(row["decided"])
            elif "spent" in row:
                self.spent = row["spent"]
            elif row != head:
                raise UsageError(f"{path} is of another run ({row})", "name another file with --state, or start over with --fresh")
        if not path.exists():
            self._write(head)

    def add(self, candidate: Candidate) -> None:
        """Keep what was found or set aside."""
        self._write({"said": candidate.said, "call": candidate.call, "why": candidate.why})

    def decide(self, candidate: Candidate) -> None:
        """Keep that the user has taken or left it: it is not asked about again."""
        self._write({"decided": candidate.said})

    def spend(self, spent: dict[str, int]) -> None:
        """Keep what all runs have spent so far."""
        self._write({"spent": spent})

    def _rows(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n") if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self.path} cannot be read ({error})", "start over with --fresh") from None
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:  # the last one, cut short by a kill
                continue
            if isinstance(row, dict):
                yield row

    def _write(self, row: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * self._is_cut() + json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written ({error.strerror})", "make room, or name another file with --state") from None

    def _is_cut(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0 and not self.path.read_bytes().endswith(b"\n")


def generate(
    count: int, checker: Checker, ask: Callable[[int, list[str]], Iterable[Candidate]], journal: Journal, progress: Callable[[str], None]
) -> list[Candidate]:
    """New examples up to `count`, those of an earlier run among them; fewer where nothing new comes any more.

    Args:
        count: examples wanted.
        checker: knows what is new.
        ask: (how many, what was found already) → checked candidates.
        journal: where all is kept as it comes.
        progress: told a sentence after each round.
    """
    found = [candidate for candidate in journal.found if not candidate.why]
    for candidate in found:
        checker.accept(candidate)
    stale = 0
    while len(found) < count and stale < STALE:
        before = len(found)
        for candidate in ask(min(A_REQUEST, count - len(found)), [item.said for item in found]):
            if len(found) < count or candidate.why:
                journal.add(candidate)
                journal.found.append(candidate)
                found += [] if candidate.why else [candidate]
        stale = 0 if len(found) > before else stale + 1
        progress(f"{len(found)} of {count}")
    return found[:count]


def asker(server: Server, checker: Checker, journal: Journal, rng: random.Random) -> Callable[[int, list[str]], Iterator[Candidate]]:
    """Rounds of `generate` that ask a server. A broken answer is a round without an example."""
    form = form_of(checker.spec)
    server.spent.add(journal.spent)

    def ask(count: int, found: list[str]) -> Iterator[Candidate]:
        try:
            answer = server.ask(SYSTEM, request_of(checker.spec, count, found, rng), form)
        except BrokenAnswer:
            answer = {}
        finally:
            journal.spend(server.spent.to_json())
        rows = answer.get("examples")
        for row in rows if isinstance(rows, list) else []:
            given = row if isinstance(row, dict) else {}
            yield checker.check(given.get("said"), given.get("arguments", {}))

    return ask


def sampler(checker: Checker, rng: random.Random) -> Callable[[int, list[str]], Iterator[Candidate]]:
    """Rounds of `generate` that take templates of the PhraseBook and values of other examples. What is known is not told again.

    Raises:
        UsageError: the skill has no template.
    """
    book = PhraseBook([checker.spec])
    if not any(template.skill == checker.spec.name for template in book.templates):
        raise UsageError(f"{checker.spec.name} has no example to sample from", "write some by hand, or ask a server")

    def ask(count: int, found: list[str]) -> Iterator[Candidate]:
        new = 0
        for _ in range(OFFLINE_TRIES * count):
            if new == count:
                return
            try:
                said, call = book.sample(rng, checker.spec.name)
            except OttoError:  # a value that this template's other arguments do not go with
                continue
            candidate = checker.check(said, dict(call.arguments))
            if not candidate.why:
                new += 1
                yield candidate

    return ask


def form_of(spec: SkillSpec) -> Form:
    """The schema of an answer: sentences, each with the skill's own arguments."""
    arguments = next(tool["function"]["parameters"] for tool in tools([spec]) if tool["function"]["name"] == spec.name)
    said = {"type": "string", "description": "what somebody says"}
    item = {"type": "object", "properties": {"said": said, "arguments": arguments}, "required": ["said", "arguments"], "additionalProperties": False}
    schema = {"type": "object", "properties": {"examples": {"type": "array", "items": item}}, "required": ["examples"], "additionalProperties": False}
    return Form("add_examples", f"Add examples of {spec.name}", schema)


def request_of(spec: SkillSpec, count: int, found: list[str], rng: random.Random) -> str:
    """What a server is asked: the skill, some of its examples, and what was found already."""
    own = [example for example in spec.examples if example.call.name == spec.name]
    parts = [f"The function: {spec.signature}: {spec.description}", *(f"    {parameter.described}" for parameter in spec.parameters)]
    parts += ["", "Some examples of it:", *(f"- {example.text} → {example.call}" for example in rng.sample(own, min(SHOWN, len(own))))]
    if spec.name == OTHER:
        parts += ["", "It stands for everything that is not meant for the assistant: stray talk, half sentences, questions to somebody else."]
    if found:
        parts += ["", "These are there already:", *(f"- {said}" for said in found[-20:])]
    return "\n".join([*parts, "", f"Write {count} new examples, each unlike these and unlike each other."])


def example_file(spec: SkillSpec) -> Path:
    """Where the examples of a skill are kept. Raises UsageError where it has no file."""
    if spec.file is None or spec.file.suffix != ".py":
        raise UsageError(f"The skill {spec.name} has no file to keep examples beside", "give --append a file with --file")
    return user_skill_examples(spec.file) or spec.file.with_name(f"{spec.file.stem}_examples.txt")


def append(path: Path, candidates: Iterable[Candidate]) -> int:
    """Add examples at the end of an example file, which is made where it is not there; what stands in it stays as it is. Returns how many.

    Raises:
        ExampleError: the file has faults; it is left as it is.
        StoreError: it cannot be read or written.
    """
    added = tuple(Example(item.said, Call.parse(item.call)) for item in candidates)
    try:
        file = read_example_file(path) if path.exists() else parse_example_file("", path.name)
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", "check its permissions") from None
    blocks = "\n".join(f"{USER} {example.text}\n{ASSISTANT} {example.call}\n" for example in added)
    longer = f"{text.rstrip()}\n\n{blocks}"
    whole = replace(file, examples=file.examples + added)
    try:
        fits = [(example.text, str(example.call)) for example in parse_example_file(longer, path.name).examples] == [
            (example.text, str(example.call)) for example in whole.examples
        ]
    except ExampleError:
        fits = False
    replace_file(path, longer if fits else str(whole))  # where the examples are not the last section, the file is written anew
    return len(added)
