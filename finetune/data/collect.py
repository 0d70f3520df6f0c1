"""Example files → training rows, and an account of every example that did not become one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetune.data.judge import canonical
from finetune.data.split import SHARE, TRAIN, part_of
from finetune.data.tokenizer import LIMITS, Tokenizer, summary
from finetune.embedded.rows import Row, row_of
from finetune.rows import Text, TrainingRow, text_of
from otto.align import Aligned, align
from otto.call import Call
from otto.errors import ExampleError, InvalidCall, Problem, StoreError, UsageError
from otto.examples import read_example_file
from otto.prompt import FAMILIES, messages, render
from otto.registry import Registry
from otto.skill import OTHER, Example, SkillSpec
from otto.templates import written_out
from otto.words import normal_text

NONE = SkillSpec(OTHER, "")
_PLACE = "\ue000"  # stands for the utterance; of Unicode's private use, so that no skill's text holds it


@dataclass(frozen=True)
class Dropped:
    """An example that did not become a row."""

    where: str
    said: str
    call: str
    why: str  # one of the reasons below
    more: str = ""


NO_WORDS = "no words"
DUPLICATE = "duplicate"
CONFLICT = "conflicting labels"
NOT_SAID = "argument not said"
SHOWN = "held out, but shown in the prompt"


@dataclass
class Collected:
    """The rows, and what became of the rest."""

    rows: list[TrainingRow]
    dropped: list[Dropped]
    examples: int  # read, templates written out
    limit: int  # tokens
    lengths: list[int] = field(default_factory=list)  # tokens of each row, prompt and answer
    estimate: bool = False

    @property
    def too_long(self) -> list[TrainingRow]:
        """Rows that training would cut."""
        return [row for row, length in zip(self.rows, self.lengths, strict=True) if length > self.limit]

    def report(self) -> dict[str, Any]:
        """All counts, for a program."""
        skills: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.rows:
            skills[row.skill][row.split] += 1
        return {
            "examples": self.examples,
            "rows": len(self.rows),
            "skills": {name: dict(counts) for name, counts in sorted(skills.items())},
            "splits": dict(Counter(row.split for row in self.rows)),
            "dropped": dict(Counter(item.why for item in self.dropped)),
            "left_out": [asdict(item) for item in self.dropped],
            "tokens": {**summary(self.lengths), "limit": self.limit, "estimate": self.estimate},
            "too_long": [row.source for row in self.too_long],
        }


def read_examples(files: Sequence[Path], registry: Registry) -> list[Example]:
    """The examples of files and of folders of them, templates written out; without any, those of all skills.

    Raises:
        ExampleError: every fault of every file, with its line: a skill that is not installed, an argument that does not fit.
        StoreError: a file is not there.
    """
    if not files:
        return [example for spec in registry for example in spec.examples]
    found: list[Example] = []
    problems: list[Problem] = []
    for path in _example_files(files):
        try:
            for example in read_example_file(path).all:
                fitting, wrong = _fitting(example, registry)
                found += fitting
                problems += wrong
        except ExampleError as error:
            problems += error.problems
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({error.strerror})", "check its path") from None
    if problems:
        raise ExampleError("These examples cannot be used, and nothing was written", problems)
    return found


def collect(
    examples: Iterable[Example],
    registry: Registry,
    family: str,
    tokenizer: Tokenizer,
    *,
    shots: int = 1,
    limit: int | None = None,
    held_out: float = SHARE,
) -> Collected:
    """Rows of the examples, in their order, each with the prompt of a model family and its part of the split.

    Args:
        examples: what was said and the call, with valid arguments.
        registry: the skills that the prompt lists.
        family: one of otto.prompt.FAMILIES.
        tokenizer: to count with.
        shots: examples of each skill that the prompt shows.
        limit: tokens that the model reads; None is what the tokenizer's model says, or the family's.
        held_out: share of templates and of values for validation and for test each.

    Raises:
        UsageError: there is no such family, or its model is not trained on such rows.
    """
    prompts = Prompts(family, registry, shots)
    given = list(examples)
    kept, dropped = _without_repeats([_aligned(example, registry) for example in given], registry)
    shown = [row_of(_aligned(example, registry)) for spec in registry for example in spec.examples[:shots]]
    rows: list[TrainingRow] = []
    for aligned in kept:
        row = row_of(aligned)
        part = part_of(row, held_out)
        if part != TRAIN and _is_shown(row, shown):
            dropped.append(_drop(aligned, SHOWN))
        else:
            rows.append(_row(aligned, row, part, registry, prompts))
    lengths = tokenizer.counts([text_of(row.prompt) + row.answer for row in rows])
    own_limit = limit or tokenizer.limit or LIMITS[family]
    return Collected(rows, dropped, len(given), own_limit, lengths, tokenizer.estimate)


def check_family(family: str) -> None:
    """Raises UsageError where rows cannot be made for it."""
    known = [name for name in FAMILIES if name != "embedded"]
    if family == "embedded":
        raise UsageError("The embedded router's models learn from other rows", "train them with `otto finetune embedded`")
    if family not in known:
        raise UsageError(f"There is no format {family}", f"use one of: {', '.join(known)}")


class Prompts:
    """What the model reads, for any utterance: a text, or messages for a server. The skills are rendered once."""

    def __init__(self, family: str, registry: Registry, shots: int = 1) -> None:
        check_family(family)
        self._system = messages(registry, "", shots=shots)[0] if family == "openai" else None
        self._before, self._after = ("", "") if self._system else render(family, registry, _PLACE, shots=shots).split(_PLACE)

    def of(self, said: str) -> Text:
        """The prompt of an utterance, up to where the answer begins."""
        user = messages((), said)[1]
        return [self._system, user] if self._system else f"{self._before}{user['content']}{self._after}"


def completion_of(prompt: Text, answer: str) -> Text:
    """The answer as it follows the prompt: most tokenizers begin a word with its space."""
    if isinstance(prompt, list):
        return [{"role": "assistant", "content": answer}]
    return answer if prompt[-1:].isspace() else f" {answer}"


def _example_files(files: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in files:
        inside = sorted(path.glob("*_examples.txt")) if path.is_dir() else [path]
        if not inside:
            raise StoreError(f"There is no example file in {path}", "example files are named SKILL_examples.txt")
        found += inside
    return found


def _fitting(example: Example, registry: Registry) -> tuple[list[Example], list[Problem]]:
    """The example, or the sentences that its template stands for, or what is wrong with it."""
    if example.call.name == OTHER and not example.call.arguments:
        return [example], []
    if example.call.name not in registry.specs:
        mend = f"install it, or use one of: {', '.join(registry.specs)}"
        return [], [Problem(example.where, f"there is no skill {example.call.name}", mend)]
    spec = registry.get(example.call.name)
    if example.is_template:
        return written_out(spec, example)
    try:
        spec.validate(example.call)
    except InvalidCall as error:
        return [], [Problem(example.where, error.what, error.mend)]
    return [example], []


def _aligned(example: Example, registry: Registry) -> Aligned:
    return align(registry.specs.get(example.call.name, NONE), example)


def _without_repeats(found: list[Aligned], registry: Registry) -> tuple[list[Aligned], list[Dropped]]:
    """Each sentence once. Where two calls claim one sentence neither is kept: a model can learn only one of them."""
    calls: dict[str, list[Aligned]] = defaultdict(list)
    kept: list[Aligned] = []
    dropped: list[Dropped] = []
    for aligned in found:
        calls[normal_text(aligned.example.text)].append(aligned)
    for aligned in found:
        same = calls[normal_text(aligned.example.text)]
        against = next((item for item in same if item.example.call != aligned.example.call), None)
        if not aligned.words:
            dropped.append(_drop(aligned, NO_WORDS))
        elif against:
            dropped.append(_drop(aligned, CONFLICT, f"{against.example.call} in {against.example.where}"))
        elif same[0] is not aligned:
            dropped.append(_drop(aligned, DUPLICATE, f"of {same[0].example.where}"))
        elif aligned.missing:
            dropped.append(_drop(aligned, NOT_SAID, ", ".join(aligned.missing)))
        else:
            kept.append(aligned)
    return kept, dropped


def _drop(aligned: Aligned, why: str, more: str = "") -> Dropped:
    return Dropped(aligned.example.where, aligned.example.text, str(aligned.example.call), why, more)


def _is_shown(row: Row, shown: Iterable[Row]) -> bool:
    """Whether the prompt itself has the row's template or all of its values: then it tests nothing that was held out."""
    return any(row.template == other.template or (row.values and set(row.values) <= set(other.values)) for other in shown)


def _row(aligned: Aligned, row: Row, part: str, registry: Registry, prompts: Prompts) -> TrainingRow:
    example = aligned.example
    spec = registry.specs.get(example.call.name, NONE)
    answer = str(canonical(example.call, registry))
    prompt = prompts.of(example.text)
    return TrainingRow(prompt, completion_of(prompt, answer), spec.name, row.template, example.where, part, example.text)


def with_corrections(examples: Sequence[Example], corrections: Iterable[tuple[str, Call]], registry: Registry) -> list[Example]:
    """The examples, and behind them what `otto fix` kept; a correction beats an example of the same words."""
    fixed = {
        normal_text(heard): Example(heard, call, f"otto fix {number}")
        for number, (heard, call) in enumerate(corrections, 1)
        if call.name == OTHER or call.name in registry.specs
    }
    return [*(example for example in examples if normal_text(example.text) not in fixed), *fixed.values()]
