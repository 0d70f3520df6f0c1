"""Does reflection mend mistakes? The same base tuned three ways, with several seeds, and what each makes of mistakes that were planted.

Reflection tuning teaches a model to draft, to look at the draft, and to answer. Whether the second look does anything is seen where the draft is
wrong on purpose: the model is given the beginning of an answer, with a wrong draft in it, and goes on. It is compared with a model that learned
the same form from drafts that were all right, and with one that learned to answer at once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.config import Sft
from finetune.data.judge import MISSES, judge
from finetune.data.mistakes import KINDS, Mistakes
from finetune.data.pairs import LeftOut
from finetune.data.reflect import TOKENS, opened, reflect
from finetune.data.split import TEST
from finetune.rows import TrainingRow, json_lines, read_training_rows
from finetune.skills import load_skills
from finetune.stages import answers, model, sft, training
from finetune.tracking import ADAPTER
from otto.call import Call
from otto.errors import UsageError
from otto.registry import Registry
from otto.skill import OTHER
from otto.tomlfile import replace_file

PLAIN, CLEAN, PLANTED = "plain", "clean", "planted"  # answers at once; thinks, drafts all right; thinks, some drafts wrong and mended
EXACT, MENDED, KEPT = "exact", "mended", "kept"

Note = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """A share, once a seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean, by Student's t over the seeds."""
        import math

        from scipy import stats

        n = len(self.values)
        if n < 2:
            return -math.inf, math.inf
        error = math.sqrt(sum((value - self.mean) ** 2 for value in self.values) / (n - 1) / n)
        half = float(stats.t.ppf(0.975, n - 1)) * error
        return self.mean - half, self.mean + half

    def minus(self, other: Figure) -> Figure:
        """The difference, seed by seed."""
        return Figure(tuple(one - two for one, two in zip(self.values, other.values, strict=True)))


@dataclass(frozen=True)
class Found:
    """What the experiment found: arm → measure → figure.

    exact: test rows answered rightly. mended: wrong drafts that were given to it and that it answered rightly all the same.
    kept: right drafts that it stayed with.
    """

    figures: dict[str, dict[str, Figure]]
    rows: int  # test rows
    mistakes: int  # wrong drafts

    @property
    def mends(self) -> Figure:
        """By how much more wrong drafts are mended by who has learned from such."""
        return self.figures[PLANTED][MENDED].minus(self.figures[CLEAN][MENDED])

    @property
    def answers_better(self) -> Figure:
        """By how much more test rows are right than with answers at once."""
        return self.figures[PLANTED][EXACT].minus(self.figures[PLAIN][EXACT])

    def verdict(self) -> list[str]:
        """Two sentences: about planted mistakes, and about answers in general."""
        mends, better = self.mends, self.answers_better
        does = "improves" if mends.interval[0] > 0 else "did not improve"
        if better.interval[0] > 0:
            general = "It answers better than without thoughts"
        elif better.interval[1] < 0:
            general = "It answers worse than without thoughts"
        else:
            general = "It answers neither better nor worse than without thoughts, as far as can be told"
        return [f"Reflection {does} cases with planted mistakes: {points(mends)} mended.", f"{general}: {points(better)} exact."]


def points(difference: Figure) -> str:
    low, high = difference.interval
    return f"{100 * difference.mean:+.1f} points (95 % interval {100 * low:+.1f} to {100 * high:+.1f})"


def experiment(settings: Sft, seeds: int, mistakes: float, note: Note) -> Found:
    """Tune and measure every arm with every seed. What is done already is not done again.

    Args:
        settings: of the supervised stage; its data are plain training rows, its folder gets one a seed and arm.
        seeds: at least 2, or there is no interval.
        mistakes: share of rows with a planted mistake.

    Raises:
        OttoError: as `sft.run`; or there are no test rows.
    """
    registry = load_skills(settings.skills)
    rows = read_training_rows(settings.data)
    test = [row for row in rows if row.split == TEST][: settings.evaluation.rows]
    if not test:
        raise UsageError(f"{settings.data} has no rows of the split test", "collect it with --held-out 0.06")
    wrong = wrong_drafts(test, registry)
    found: dict[str, dict[str, list[float]]] = {arm: {} for arm in (PLAIN, CLEAN, PLANTED)}
    for seed in range(1, seeds + 1):
        for arm, measured in found.items():
            note(f"seed {seed}, {arm}")
            given = _given(settings, rows, registry, arm, seed, mistakes)
            sft.run(given, note)
            for name, value in _measure(given, arm, test, wrong, registry).items():
                measured.setdefault(name, []).append(value)
    figures = {arm: {name: Figure(tuple(values)) for name, values in measured.items()} for arm, measured in found.items()}
    return Found(figures, len(test), len(wrong))


def wrong_drafts(rows: Sequence[TrainingRow], registry: Registry) -> list[tuple[TrainingRow, Call]]:
    """Each row with a wrong call of each kind that there is, always the same ones."""
    maker = Mistakes(registry, random.Random(0))
    found = []
    for row in rows:
        kinds = [""] if row.call.name == OTHER else [*KINDS, MISSES]  # stray talk knows one kind, whatever is asked for
        made = (maker.make(row.call, row.utterance, [kind]) for kind in kinds)
        found += [(row, Call.parse(mistake.call)) for mistake in made if mistake]
    return found


def _given(settings: Sft, rows: Sequence[TrainingRow], registry: Registry, arm: str, seed: int, mistakes: float) -> Sft:
    """The settings of one arm and seed; its rows are written into its folder."""
    share = {PLAIN: None, CLEAN: 0.0, PLANTED: mistakes}[arm]
    learn = list(rows)
    if share is not None:
        learn = [row for row, _ in reflect(rows, registry, random.Random(seed), LeftOut(), mistakes=share)]
    out = settings.out / f"{arm}-{seed}"
    data = out.with_suffix(".jsonl")
    replace_file(data, "".join(f"{line}\n" for line in json_lines(learn)))
    return settings.model_copy(update={"data": data, "out": out, "training": settings.training.model_copy(update={"seed": seed})})


def _measure(settings: Sft, arm: str, test: Sequence[TrainingRow], wrong: Sequence[tuple[TrainingRow, Call]], registry: Registry) -> dict[str, float]:
    """The shares of one tuned model."""
    say = _speaker(settings.model_copy(update={"adapter": settings.out / ADAPTER}))
    found = {EXACT: _right([str(row.prompt) for row in test], [row.call for row in test], say, registry)}
    if arm != PLAIN:
        found[MENDED] = _right([opened(row, draft, registry) for row, draft in wrong], [row.call for row, _ in wrong], say, registry)
        found[KEPT] = _right([opened(row, row.call, registry) for row in test], [row.call for row in test], say, registry)
    return found


def _right(prompts: Sequence[str], right: Sequence[Call], say: Callable[[Sequence[str]], list[str]], registry: Registry) -> float:
    """The share of answers, which may begin in the prompt already, that are the right call."""
    begun = [prompt[prompt.index(TOKENS[0]) :] if TOKENS[0] in prompt else "" for prompt in prompts]
    said = [before + answer for before, answer in zip(begun, say(prompts), strict=True)]
    return sum(judge(answer, call, registry).right for answer, call in zip(said, right, strict=True)) / len(right)


def _speaker(settings: Sft) -> Callable[[Sequence[str]], list[str]]:
    """The greedy answers of the tuned model."""
    with training.quiet():
        gpu = model.on_gpu(settings)
        prompts = model.family(settings)
        tokenizer = model.load_tokenizer(settings, prompts)
        base = model.load_base(settings, gpu, model.is_quantised(settings, gpu))
        tuned: Any = model.with_adapter(base, settings, tokenizer, [])
    end = model.end_token(tokenizer, prompts)
    return lambda given: answers.answers(tuned, tokenizer, given, end, settings.evaluation)
