"""What GRPO and PPO share: they sample answers to the rows' prompts and learn from the rewards that these earn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

from finetune.config import Grpo, Ppo
from finetune.data.split import TRAIN
from finetune.rewards import total
from finetune.rows import TrainingRow, read_training_rows
from finetune.stages import answers, stage, training
from finetune.stages.measure import Measure
from finetune.stages.tokens import Encode, Tokenised
from finetune.tracking import Opener
from otto.registry import Registry


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


def run(settings: Grpo | Ppo, build: Callable[[stage.Given], Any], note: stage.Note, sinks: Sequence[Opener]) -> training.Outcome:
    """Train with the trainer that `build` makes, from the last checkpoint where there is one. Raises as `stage.run`."""
    rows = read_training_rows(settings.data)
    learn = [row for row in rows if row.split == TRAIN]
    kind = stage.Kind(lambda encode, registry: (prompts_and_columns(learn, encode, registry, settings), Tokenised()), build, RewardMeasure)
    return stage.run(settings, rows, kind, note, sinks)


def prompts_and_columns(rows: Sequence[TrainingRow], encode: Encode, registry: Registry, settings: Grpo | Ppo) -> Tokenised:
    """Of each row its prompt and what the rewards read; without those whose prompts leave no room for an answer."""
    found = Tokenised()
    for row in rows:
        prompt, _ = encode(row.prompt, row.completion)
        if len(prompt) > settings.training.max_length - settings.max_new_tokens:
            found.too_long.append(row.source or row.utterance)
        else:
            found.rows.append({"prompt": str(row.prompt), **reward_columns(row, registry)})
    return found


def reward_columns(row: TrainingRow, registry: Registry) -> dict[str, str]:
    """The columns that the rewards read."""
    return {"call": str(answers.right_call(row, registry)), "utterance": row.utterance}


def arguments(given: stage.Given) -> dict[str, Any]:
    """What the arguments of both trainers have in common; the best checkpoint is that of the highest reward."""
    found = training.arguments(given.settings, given.gpu, bool(given.measure.rows))
    del found["max_length"]  # of prompt and answer: `prompts_and_columns` saw to it
    if given.measure.rows:
        found |= {"metric_for_best_model": "eval_reward", "greater_is_better": True}
    return found


def mean_share(values: Sequence[float]) -> dict[str, float]:
    """A mean of numbers from 0 to 1 and its 95 % interval, of the normal distribution, as `Share.to_json` gives a share's."""
    mean = fmean(values)
    half = 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 1.0
    return {"value": mean, "low": max(0.0, mean - half), "high": min(1.0, mean + half), "n": len(values)}
