"""New examples of a skill, asked of a server or sampled from the PhraseBook, each checked; what is set aside is named with its reason."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from finetune.data.candidates import Candidate, Checker
from finetune.data.journal import BrokenAnswer, Journal
from finetune.data.server import Form, Server
from otto.errors import ExampleError, OttoError, StoreError, UsageError
from otto.examples import ASSISTANT, USER, ExampleFile, parse_example_file, read_example_file
from otto.grammar import tools
from otto.phrases import PhraseBook
from otto.registry import user_skill_examples
from otto.skill import OTHER, SkillSpec
from otto.tomlfile import replace_file

A_REQUEST = 10  # examples that one request asks for
STALE = 4  # requests in a row without a new example, after which nothing more is to be had
OFFLINE_TRIES = 200  # samples for each example that is wanted
SHOWN = 8  # examples that a request shows

SYSTEM = """You write what different people say to a voice assistant, to teach it one of its functions. \
Sentences are spoken ones: short and long, polite and clipped, some with fillers, numbers in words and in digits, never twice alike. \
The value of a text argument stands in the sentence, word for word; an argument that is not said is left out."""


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
    checker.accept(candidate.example for candidate in found)
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


def open_examples(path: Path) -> ExampleFile:
    """The example file to add to, empty where it is not there.

    Raises:
        ExampleError: the file has faults.
        StoreError: it cannot be read.
    """
    try:
        return read_example_file(path) if path.exists() else parse_example_file("", path.name)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", "check its permissions") from None


def append(path: Path, candidates: Iterable[Candidate]) -> int:
    """Add examples at the end of an example file, which is made where it is not there; what stands in it stays as it is. Returns how many.

    Raises:
        ExampleError: the file has faults; it is left as it is.
        StoreError: it cannot be read or written.
    """
    added = tuple(item.example for item in candidates)
    file = open_examples(path)
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
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
