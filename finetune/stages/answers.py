"""What a model answers, and how many answers are the right call: the scorer of the stages, by the equality of otto.call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from finetune.config import Evaluation
from finetune.data.judge import ACTS, INVALID, MISSES, Verdict, judge
from finetune.embedded.score import Share
from finetune.rows import TrainingRow
from otto.call import Call
from otto.errors import Problem, Problems, UsageError
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.skill import OTHER


def answers(model: Any, tokenizer: Any, prompts: Sequence[str], end: int, how: Evaluation) -> list[str]:
    """The greedy answer to each prompt."""
    import torch

    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    texts: dict[int, str] = {}
    with _as_for_use(model, tokenizer), torch.inference_mode():
        for start in range(0, len(prompts), how.batch):
            part = by_length[start : start + how.batch]
            given = tokenizer([prompts[index] for index in part], add_special_tokens=False, padding=True, return_tensors="pt").to(model.device)
            said = model.generate(
                input_ids=given["input_ids"], attention_mask=given["attention_mask"], max_new_tokens=how.max_new_tokens, do_sample=False,
                eos_token_id=[end, tokenizer.eos_token_id], pad_token_id=tokenizer.pad_token_id,
                temperature=None, top_p=None, top_k=None,
            )[:, given["input_ids"].shape[1] :]  # fmt: skip
            for index, ids in zip(part, said.tolist(), strict=True):
                texts[index] = tokenizer.decode(_until_end(ids, {end, tokenizer.eos_token_id, tokenizer.pad_token_id}), skip_special_tokens=False)
    return [texts[index] for index in range(len(prompts))]


def score(rows: Sequence[TrainingRow], said: Sequence[str], registry: Registry) -> tuple[dict[str, Any], list[Verdict]]:
    """Shares, each with its 95 % interval, and the verdict on each answer.

    exact: the right call, or the right silence; parses: valid calls; missed: requests left alone; false_calls: acted on stray talk.
    """
    right = [right_call(row, registry) for row in rows]
    verdicts = [judge(answer, call, registry) for call, answer in zip(right, said, strict=True)]
    stray = [call.name == OTHER for call in right]
    requests, strays = stray.count(False), stray.count(True)
    shares = {
        "exact": Share(sum(verdict.right for verdict in verdicts), len(verdicts)),
        "parses": Share(sum(verdict.why != INVALID for verdict in verdicts), len(verdicts)),
        "missed": Share(sum(verdict.why == MISSES for verdict in verdicts), requests),
        "false_calls": Share(sum(verdict.why == ACTS for verdict in verdicts), strays),
    }
    return {name: share.to_json() for name, share in shares.items()}, verdicts


def right_call(row: TrainingRow, registry: Registry) -> Call:
    """The call that a row teaches, thoughts before it or not. Raises UsageError where it is none of the installed skills."""
    calls = read_calls(row.answer, registry)
    if calls is None or len(calls) != 1:
        what = f"{row.source or row.utterance}: {row.answer.strip()!r} is not one valid call of the skills"
        raise UsageError(what, "collect the data anew, or give skills=… of the data")
    return calls[0]


def check_rows(rows: Sequence[TrainingRow], registry: Registry, name: str) -> None:
    """Raises Problems where rows teach what is no valid call of the skills; all of them are named."""
    problems = []
    for number, row in enumerate(rows, 1):
        try:
            right_call(row, registry)
        except UsageError:
            problems.append(Problem(row.source or f"{name}, row {number}", f"{row.answer.strip()!r} is not one valid call of the skills"))
    if problems:
        raise Problems(f"{name} cannot be used with these skills, install them or give skills=… of the data", problems)


def predictions(rows: Sequence[TrainingRow], said: Sequence[str], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Rows for the tracker."""
    return [
        {"utterance": row.utterance, "right": row.answer.strip(), "answer": answer.strip(), "verdict": verdict.why}
        for row, answer, verdict in zip(rows, said, verdicts, strict=True)
    ]


def _until_end(ids: list[int], ends: set[int]) -> list[int]:
    for index, token in enumerate(ids):
        if token in ends:
            return ids[:index]
    return ids


@contextmanager
def _as_for_use(model: Any, tokenizer: Any) -> Iterator[None]:
    """Without dropout, with a cache, padded on the left; afterwards as it was."""
    training, side = model.training, tokenizer.padding_side
    cache = model.config.use_cache
    model.eval()  # turns activation checkpointing off too
    tokenizer.padding_side = "left"
    model.config.use_cache = True
    try:
        yield
    finally:
        model.train(training)
        tokenizer.padding_side = side
        model.config.use_cache = cache
