"""Reads and writes example files: what people say and the call it should become (format in docs/examples.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from otto.call import Call
from otto.errors import CallSyntaxError, ExampleError, Problem
from otto.skill import Example

SECTIONS = ("#### Prompt:", "#### Prompt Examples:", "#### Examples:")
USER, ASSISTANT = "### User:", "### Assistant:"


@dataclass(frozen=True)
class ExampleFile:
    """One skill's training source."""

    prompt: str = ""  # the line that explains the call
    prompt_examples: tuple[Example, ...] = ()  # shown in prompts
    examples: tuple[Example, ...] = field(default=())

    @property
    def all(self) -> tuple[Example, ...]:
        return self.prompt_examples + self.examples

    def __str__(self) -> str:
        blocks = [SECTIONS[0], self.prompt, "", SECTIONS[1], "", *_lines(self.prompt_examples), SECTIONS[2], "", *_lines(self.examples)]
        return "\n".join(blocks).rstrip() + "\n"


def read_example_file(path: Path) -> ExampleFile:
    """Raises ExampleError naming every fault with its line; OSError is left to the caller."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = Problem(f"{path.name}:{line}", "this is not UTF-8", "save the file as UTF-8")
        raise ExampleError(f"{path.name} cannot be read", [problem]) from None
    return parse_example_file(text, path.name)


def parse_example_file(text: str, name: str) -> ExampleFile:
    """Read an example file's text. Raises ExampleError naming every fault with its line."""
    problems: list[Problem] = []
    prompt: list[str] = []
    found: dict[str, list[Example]] = {SECTIONS[1]: [], SECTIONS[2]: []}
    section, said, said_line = "", "", 0
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{name}:{number}"
        line = line.strip()
        if re.match(r"#### ?\w", line):
            section = line
            if section not in SECTIONS:
                problems.append(Problem(where, f"there is no section {line!r}", f"write one of: {', '.join(SECTIONS)}"))
        elif line.startswith(USER):
            if said:
                problems.append(Problem(f"{name}:{said_line}", "there is no call for this", f"write a line {ASSISTANT} under it"))
            said, said_line = line.removeprefix(USER).strip(), number
            if not said:
                problems.append(Problem(where, "nothing is said here", f"write the words after {USER}"))
        elif line.startswith(ASSISTANT):
            if section not in found:
                problems.append(Problem(where, "this stands outside the example sections", f"put it under {SECTIONS[2]}"))
            elif not said:
                problems.append(Problem(where, "there are no words for this call", f"write a line {USER} above it"))
            else:
                _add_example(found[section], said, line.removeprefix(ASSISTANT).strip(), where, problems)
            said = ""
        elif line and section == SECTIONS[0]:
            prompt.append(line)
        elif line:
            problems.append(Problem(where, f"{line[:40]!r} belongs to nothing", f"start it with {USER} or {ASSISTANT}"))
    if said:
        problems.append(Problem(f"{name}:{said_line}", "there is no call for this", f"write a line {ASSISTANT} under it"))
    if problems:
        raise ExampleError(f"{name} cannot be read", problems)
    return ExampleFile(" ".join(prompt), tuple(found[SECTIONS[1]]), tuple(found[SECTIONS[2]]))


def _add_example(examples: list[Example], said: str, call: str, where: str, problems: list[Problem]) -> None:
    try:
        examples.append(Example(said, Call.parse(call), where))
    except CallSyntaxError as error:
        problems.append(Problem(where, error.what, error.mend))


def _lines(examples: Iterable[Example]) -> Iterable[str]:
    for example in examples:
        yield from (f"{USER} {example.text}", f"{ASSISTANT} {example.call}", "")
