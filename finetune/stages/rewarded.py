"""What GRPO and PPO share: they sample answers to the rows' prompts and learn from the rewards that these earn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from finetune.config import Grpo, Ppo
from finetune.data.split import TRAIN, VALIDATION
from finetune.rewards import total
from finetune.rows import TrainingRow, read_training_rows
from finetune.skills import load_skills
from finetune.stages import answers, model, training
from finetune.stages.sft import Measure, Note, tell_too_long
from finetune.stages.tokens import Tokenised, encoder
from otto.registry import Registry


@dataclass(frozen=True)
class Given:
    """What a trainer is made from."""

    trained: Any
    tokenizer: Any
    ends: frozenset[int]  # tokens that end an answer
    registry: Registry
    rows: Sequence[TrainingRow]  # to learn from
    measure: Measure
    gpu: bool

    def columns(self) -> list[dict[str, str]]:
        """What the rewards read of each row, and its prompt."""
        return [{"prompt": str(row.prompt), **reward_columns(row, self.registry)} for row in self.rows]

    def text(self, ids: Sequence[int]) -> str:
        """An answer's tokens as the router reads them."""
        return answers.text_of_tokens(self.tokenizer, ids, self.ends)


class RewardMeasure(Measure):
    """Measures the mean reward of the greedy answers beside the shares."""

    def _answer(self, trained: Any, rows: Sequence[TrainingRow]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        shares, said = super()._answer(trained, rows)
        columns = [reward_columns(row, self.registry) for row in rows]
        lists = {name: [item[name] for item in columns] for name in columns[0]}
        earned = total(self.settings.weights, self.registry, [row["answer"] for row in said], **lists)
        return {"reward": mean_share(earned), **shares}, [{**row, "reward": value} for row, value in zip(said, earned, strict=True)]


class ByReward:
    """A trainer that is evaluated by the mean reward of the greedy answers; stands before a Trainer of transformers."""

    measure: Measure
    model: Any
    args: Any
    state: Any
    control: Any
    callback_handler: Any

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        from transformers import Trainer

        shares = self.measure.shares(self.model)
        found = {f"eval_{name}": shares[name]["value"] for name in ("reward", "exact")}
        Trainer.log(self, found)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found


def run(settings: Grpo | Ppo, note: Note, build: Callable[[Any, Given], Any]) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter.

    Args:
        settings: the stage's.
        note: where words go.
        build: the trainer of the settings and what is given.

    Raises:
        OttoError: the data, the base, the adapter, the machine or the disk is not as it should be; what was learned until then is kept.
    """
    model.require_packages()
    with training.quiet():
        registry = load_skills(settings.skills)
        rows = read_training_rows(settings.data)
        answers.check_rows(rows, registry, settings.data.name)
        gpu, quantised = model.prepare(settings)
        begun_from = [settings.adapter / "adapter_model.safetensors"] if settings.adapter else []
        tracker, done = training.begin(settings, [settings.data, *begun_from])
        if done:
            note(f"{settings.out} is done already")
            return done
        prompts = model.family(settings)
        tokenizer = model.load_tokenizer(settings, prompts)
        new_tokens = model.add_thinking_tokens(tokenizer, rows)
        end = model.end_token(tokenizer, prompts)
        learn = short_enough([row for row in rows if row.split == TRAIN], tokenizer, settings, note)
        trained = model.with_adapter(model.load_base(settings, gpu, quantised), settings, tokenizer, new_tokens)
        held = [row for row in rows if row.split == VALIDATION][: settings.evaluation.rows]
        measure = RewardMeasure(held, registry, tokenizer, end, settings, tracker)
        given = Given(trained, tokenizer, answers.ends_of(tokenizer, end), registry, learn, measure, gpu)
        return training.carry_out(lambda: build(settings, given), trained, measure, note)


def short_enough(rows: Sequence[TrainingRow], tokenizer: Any, settings: Grpo | Ppo, note: Note) -> list[TrainingRow]:
    """The rows whose prompts leave room for an answer; the others are named. Raises UsageError where none is left."""
    limit = settings.training.max_length - settings.max_new_tokens
    encode = encoder(tokenizer, tokenizer.eos_token_id)
    found, kept = Tokenised(), []
    for row in rows:
        prompt, _ = encode(row.prompt, row.completion)
        if len(prompt) > limit:
            found.too_long.append(row.source or row.utterance)
        else:
            found.rows.append({"input_ids": prompt})
            kept.append(row)
    tell_too_long(found, settings, note)
    return kept


def reward_columns(row: TrainingRow, registry: Registry) -> dict[str, str]:
    """The columns that the rewards read."""
    return {"call": str(answers.right_call(row, registry)), "utterance": row.utterance}


def arguments(settings: Grpo | Ppo, given: Given) -> dict[str, Any]:
    """What the arguments of both trainers have in common; the best checkpoint is that of the highest reward."""
    found = training.arguments(settings, given.gpu, bool(given.measure.rows))
    del found["max_length"]  # of prompt and answer: `short_enough` saw to it
    if given.measure.rows:
        found |= {"metric_for_best_model": "eval_reward", "greater_is_better": True}
    return found


def callbacks(settings: Grpo | Ppo, given: Given) -> list[Any]:
    """Early stopping, where there is something to stop by."""
    from transformers import EarlyStoppingCallback

    patience = settings.training.patience
    return [EarlyStoppingCallback(early_stopping_patience=patience)] if given.measure.rows and patience else []


def mean_share(values: Sequence[float]) -> dict[str, float]:
    """A mean of numbers from 0 to 1 and its 95 % interval, of the normal distribution, as `Share.to_json` gives a share's."""
    mean = fmean(values)
    half = 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 1.0
    return {"value": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half), "n": len(values)}
