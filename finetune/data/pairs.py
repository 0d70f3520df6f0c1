"""Preference rows: a right call against a wrong one that is near, and what `otto fix` kept against what was done."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from finetune.data.collect import Prompts, completion_of
from finetune.data.judge import INVALID, canonical, judge
from finetune.data.mistakes import KINDS, Mistake, Mistakes, asked
from finetune.data.server import Server
from finetune.rows import PreferenceRow, TrainingRow
from otto.call import Call
from otto.errors import OttoError, Problem, Problems
from otto.history import Entry
from otto.registry import Registry
from otto.skill import OTHER


@dataclass
class LeftOut:
    """Why rows gave no pair."""

    items: list[tuple[str, str]] = field(default_factory=list)  # (why, where)

    def add(self, why: str, where: str) -> None:
        self.items.append((why, where))


def check_rows(rows: Sequence[TrainingRow], registry: Registry) -> None:
    """Whether all rows hold a valid call of an installed skill and what was said.

    Raises:
        Problems: every row that does not.
    """
    problems = []
    for number, row in enumerate(rows, 1):
        where = f"row {number}" + (f" ({row.source})" if row.source else "")
        try:
            canonical(row.call, registry)
            if not row.utterance:
                problems.append(Problem(where, "it has no utterance", "collect the rows anew"))
        except OttoError as error:
            problems.append(Problem(where, error.what, error.mend))
    if problems:
        raise Problems("These rows cannot be used", problems)


def judged(
    rows: Iterable[TrainingRow], registry: Registry, rng: random.Random, left_out: LeftOut, *, a_row: int = 1, server: Server | None = None
) -> Iterator[PreferenceRow]:
    """Right calls against wrong ones, which a server is asked for where there is one; where it gives none, and without it, rules make them.

    Raises:
        ModelError, NetworkError: the server cannot be asked; what came before is good.
    """
    mistakes = Mistakes(registry, rng)
    for row in rows:
        made: set[str] = set()
        for kind in _kinds(row.call, a_row, rng):
            mistake = asked(server, registry, row.call, row.utterance, kind) if server else None
            mistake = mistake or mistakes.make(row.call, row.utterance, [kind]) or mistakes.make(row.call, row.utterance)
            if mistake is None or mistake.call in made:
                left_out.add("no wrong call was found" if mistake is None else "no other wrong call was found", f"{row.source}: {row.utterance!r}")
                continue
            made.add(mistake.call)
            yield _pair(row, mistake)


def corrected(entries: Iterable[Entry], registry: Registry, family: str, rng: random.Random, left_out: LeftOut) -> Iterator[PreferenceRow]:
    """What the user said was right against what the assistant did; against a near mistake where that is not known.

    Args:
        entries: turns of the history; those without a correction are passed over.
        family: the model family whose prompt is rendered.
    """
    prompts, mistakes = Prompts(family, registry), Mistakes(registry, rng)
    for entry in entries:
        if entry.correction is None or not entry.heard:
            continue
        where = f"otto fix, turn {entry.id}"
        try:
            right = canonical(entry.correction, registry)
        except OttoError as error:
            left_out.add("the correction fits no skill any more", f"{where}: {error.what}")
            continue
        done = entry.call or f"{OTHER}()"
        verdict = judge(done, right, registry)
        if verdict.right:
            left_out.add("what was done was right", f"{where}: {entry.heard!r} {right}")
            continue
        wrong = Mistake(done, verdict.why) if verdict.why != INVALID else mistakes.make(right, entry.heard)
        if wrong is None:
            left_out.add("no wrong call was found", f"{where}: {entry.heard!r}")
            continue
        prompt = prompts.of(entry.heard)
        chosen, rejected = completion_of(prompt, str(right)), completion_of(prompt, wrong.call)
        yield PreferenceRow(prompt, chosen, rejected, wrong.why, source=where)


def _kinds(right: Call, count: int, rng: random.Random) -> list[str]:
    """As many kinds of mistakes as are asked for, different ones first."""
    kinds = rng.sample(KINDS, len(KINDS))
    return [kinds[index % len(kinds)] for index in range(count)] if right.name != OTHER else ["acts on stray talk"] * count


def _pair(row: TrainingRow, mistake: Mistake) -> PreferenceRow:
    why = mistake.why if mistake.by == "rule" else f"{mistake.why} ({mistake.by})"
    return PreferenceRow(row.prompt, row.completion, row.with_answer(mistake.call), why, row.split, row.source)
