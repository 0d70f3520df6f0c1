"""What a model answers, and how many answers are the right call: the scorer of the stages, by the equality of otto.call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from finetune.config import Evaluation
from finetune.data.judge import ACTS, INVALID, MISSES, Verdict, judge
from finetune.embedded.score import Share
from finetune.rows import TrainingRow
from finetune.stages import processes
from otto.call import Call
from otto.errors import Problem, Problems, UsageError
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.skill import OTHER


def answers(model: Any, tokenizer: Any, prompts: Sequence[str], end: int, how: Evaluation) -> list[str]:
    """The greedy answer to each prompt. Several processes share the work."""
    return processes.spread(lambda part: _answers(model, tokenizer, part, end, how), prompts)


def _answers(model: Any, tokenizer: Any, prompts: Sequence[str], end: int, how: Evaluation) -> list[str]:
    by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    ends = ends_of(tokenizer, end)
    texts: dict[int, str] = {}
    for start in range(0, len(prompts), how.batch):
        part = by_length[start : start + how.batch]
        said = continuations(model, tokenizer, [prompts[index] for index in part], ends, how.max_new_tokens)
        for index, ids in zip(part, said, strict=True):
            texts[index] = text_of_tokens(tokenizer, ids, ends)
    return [texts[index] for index in range(len(prompts))]


def continuations(
    model: Any, tokenizer: Any, prompts: Sequence[str], ends: frozenset[int], max_new_tokens: int, temperature: float | None = None
) -> list[list[int]]:
    """The tokens that the model writes behind each prompt, all at once; the one that ends an answer is its last.

    Args:
        ends: what ends an answer.
        temperature: of the answers; None for the likeliest token each time.
    """
    import torch

    with _as_for_use(model, tokenizer), torch.inference_mode():
        given = tokenizer(list(prompts), add_special_tokens=False, padding=True, return_tensors="pt").to(model.device)
        said = model.generate(
            input_ids=given["input_ids"], attention_mask=given["attention_mask"], max_new_tokens=max_new_tokens,
            eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id,
            do_sample=temperature is not None, temperature=temperature, top_p=None, top_k=0 if temperature else None,
            synced_gpus=processes.is_split(),
        )  # fmt: skip
    return [_until_end(ids, ends) for ids in said[:, given["input_ids"].shape[1] :].tolist()]


def ends_of(tokenizer: Any, end: int) -> frozenset[int]:
    """The tokens that end an answer: the family's, the end of text, and what stands behind a shorter answer than the others."""
    return frozenset({end, tokenizer.eos_token_id, tokenizer.pad_token_id})


def text_of_tokens(tokenizer: Any, ids: Sequence[int], ends: frozenset[int]) -> str:
    """An answer as the router reads it: without what ends it, with the marks of reflection."""
    return str(tokenizer.decode([token for token in ids if token not in ends], skip_special_tokens=False))


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


def _until_end(ids: list[int], ends: frozenset[int]) -> list[int]:
    for index, token in enumerate(ids):
        if token in ends:
            return ids[: index + 1]
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
