"""Group relative policy optimisation with verifiable rewards (Shao et al. 2024); the divergence is from a frozen copy of the adapter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.config import Grpo
from finetune.rewards import Reward, chosen
from finetune.stages import rewarded, stage, training
from finetune.stages.rewarded import ByReward
from finetune.tracking import Opener


def run(settings: Grpo, note: stage.Note, sinks: Sequence[Opener] = ()) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter. Raises as `stage.run`."""
    return rewarded.run(settings, _trainer, note, sinks)


def _trainer(given: stage.Given) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    class OnTokens(ByReward, GRPOTrainer):  # type: ignore[misc]  # TRL is not typed
        """Cuts prompts as they are rendered: TRL would begin them with a second <s>."""

        def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
            return self.processing_class(prompts, add_special_tokens=False)["input_ids"], None, {}

    settings = given.settings
    functions, weights = chosen(settings.weights, given.registry)
    given.trained.generation_config.eos_token_id = sorted(given.ends)  # TRL ends answers by it
    rows = Dataset.from_list(given.learn.rows)
    trainer = OnTokens(
        model=given.trained,
        reward_funcs=[_of_tokens(function, given) for function in functions],
        args=GRPOConfig(
            **rewarded.arguments(given) | {"per_device_eval_batch_size": settings.group},  # TRL wants whole groups there too
            num_generations=settings.group, max_completion_length=settings.max_new_tokens, temperature=settings.temperature, beta=settings.kl,
            reward_weights=[weight / sum(weights) for weight in weights], disable_dropout=True,
        ),
        train_dataset=rows,
        eval_dataset=rows if given.measure.rows else None,  # not read: `evaluate` answers the validation rows
        processing_class=given.tokenizer,
        callbacks=training.early_stopping(settings, bool(given.measure.rows)),
    )  # fmt: skip
    trainer.measure = given.measure
    return trainer


def _of_tokens(reward: Reward, given: stage.Given) -> Reward:
    """The reward of the answers as the router reads them; TRL's texts have lost the marks of reflection."""

    def earned(completion_ids: Sequence[Sequence[int]], call: Sequence[str], utterance: Sequence[str], **_: Any) -> list[float]:
        return reward([given.text(ids) for ids in completion_ids], call=call, utterance=utterance)

    earned.__name__ = reward.__name__  # TRL logs a reward by its name
    return earned
