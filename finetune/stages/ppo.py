"""Proximal policy optimisation with verifiable rewards (Schulman et al. 2017): TRL has it no more, and it is small.

A step samples an answer to each of its prompts, scores them, and updates the weights some times from them. The value head is a layer on
the last hidden states; the reference is the adapter that the stage begins with, or the base where it begins with none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from finetune.config import Ppo
from finetune.rewards import total
from finetune.stages import answers, policy, processes, rewarded, stage, training
from finetune.stages.rewarded import ByReward
from finetune.tracking import Opener
from otto.errors import UsageError

HEAD = "value_head.pt"  # in a checkpoint
REFERENCE = "ref"


@dataclass(frozen=True)
class Rollout:
    """B answers of up to A tokens, on the right of their prompts of up to P, and what was thought of them when they were written."""

    ids: Any  # int64 (B, P + A): prompts padded on their left, answers on their right
    seen: Any  # int64 (B, P + A): 1 for what is no padding
    mask: Any  # float32 (B, A): 1 for a token of the answer
    logps: Any  # float32 (B, A)
    values: Any  # float32 (B, A)
    advantages: Any  # float32 (B, A)
    returns: Any  # float32 (B, A)

    def parts(self, size: int) -> Iterator[Rollout]:
        """In parts of so many answers."""
        split = [getattr(self, item.name).split(size) for item in fields(self)]
        return (Rollout(*tensors) for tensors in zip(*split, strict=True))


@dataclass
class Learner:
    """Samples answers and says how the policy should change."""

    settings: Ppo
    given: stage.Given
    head: Any  # hidden states → values
    figures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # since the last log

    def sample(self, rows: Sequence[dict[str, str]]) -> Rollout:
        """Answer the rows' prompts, and score the answers."""
        import torch

        settings, given = self.settings, self.given
        prompts = [row["prompt"] for row in rows]
        said = answers.continuations(given.trained, given.tokenizer, prompts, given.ends, settings.max_new_tokens, settings.temperature)
        lists = {name: [row[name] for row in rows] for name in ("call", "utterance")}
        earned = total(settings.weights, given.registry, [given.text(ids) for ids in said], **lists)
        ids, seen, mask = self._padded(given.tokenizer(prompts, add_special_tokens=False)["input_ids"], said)
        with torch.no_grad():
            logps, values = self._read_in_parts(ids, seen, mask)
            with self._as_reference():
                reference, _ = self._read_in_parts(ids, seen, mask)
        scores = torch.tensor(earned, device=ids.device)
        rewards = policy.token_rewards(scores, logps, reference, mask, settings.kl)
        advantages, returns = policy.gae(rewards, values, mask, settings.discount, settings.trace)
        self._note(reward=scores.mean(), kl=policy.masked_mean(logps - reference, mask), length=mask.sum(1).mean())
        return Rollout(ids, seen, mask, logps, values, policy.whitened(advantages, mask, processes.total), returns)

    def losses(self, model: Any, part: Rollout) -> Any:
        """The sum of the loss over the tokens of a part."""
        settings = self.settings
        logps, values = self.read(model, part.ids, part.seen, part.mask)
        of_policy = (policy.policy_losses(logps, part.logps, part.advantages, settings.clip) * part.mask).sum()
        of_values = (policy.value_losses(values, part.values, part.returns, settings.clip) * part.mask).sum()
        clipped = ((logps - part.logps).exp() - 1).abs() > settings.clip
        tokens = part.mask.sum()
        self._note(policy_loss=of_policy / tokens, value_loss=of_values / tokens, clipped=policy.masked_mean(clipped.float(), part.mask))
        return of_policy + settings.value_weight * of_values

    def read(self, model: Any, ids: Any, seen: Any, mask: Any) -> tuple[Any, Any]:
        """Log-probabilities of the answers' tokens, at the temperature that they are sampled with, and values; both (B, A)."""
        count = mask.shape[1]
        read = model(
            input_ids=ids, attention_mask=seen, position_ids=(seen.cumsum(1) - 1).clamp(min=0),
            logits_to_keep=count + 1, output_hidden_states=True, use_cache=False,
        )  # fmt: skip
        logits = read.logits[:, :-1].float() / self.settings.temperature  # each says what comes behind its token
        logps = logits.log_softmax(-1).gather(-1, ids[:, -count:, None])[..., 0]
        values = self.head(read.hidden_states[-1][:, -count - 1 : -1].float())[..., 0]
        return logps * mask, values * mask

    def means(self) -> dict[str, float]:
        """The figures since the last time, of all processes."""
        import torch

        found = torch.tensor([fmean(values) for values in self.figures.values()], device=self.given.trained.device)
        means = dict(zip(self.figures, (processes.total(found) / processes.count()).tolist(), strict=True))
        self.figures.clear()
        return means

    def _read_in_parts(self, ids: Any, seen: Any, mask: Any) -> tuple[Any, Any]:
        import torch

        size = self.settings.training.batch
        read = [self.read(self.given.trained, *part) for part in zip(ids.split(size), seen.split(size), mask.split(size), strict=True)]
        return torch.cat([logps for logps, _ in read]), torch.cat([values for _, values in read])

    def _padded(self, prompts: Sequence[list[int]], said: Sequence[list[int]]) -> tuple[Any, Any, Any]:
        import torch

        before, behind = max(map(len, prompts)), max(map(len, said))
        pad = self.given.tokenizer.pad_token_id
        pairs = list(zip(prompts, said, strict=True))
        ids = [[pad] * (before - len(prompt)) + prompt + answer + [pad] * (behind - len(answer)) for prompt, answer in pairs]
        seen = [[0] * (before - len(prompt)) + [1] * (len(prompt) + len(answer)) + [0] * (behind - len(answer)) for prompt, answer in pairs]
        mask = [[1.0] * len(answer) + [0.0] * (behind - len(answer)) for answer in said]
        device = self.given.trained.device
        return torch.tensor(ids, device=device), torch.tensor(seen, device=device), torch.tensor(mask, device=device)

    def _as_reference(self) -> Any:
        from trl.trainer.utils import use_adapter

        return use_adapter(self.given.trained, REFERENCE if self.settings.adapter else None)

    def _note(self, **figures: Any) -> None:
        for name, value in figures.items():
            self.figures[name].append(float(value))


def run(settings: Ppo, note: stage.Note, sinks: Sequence[Opener] = ()) -> training.Outcome:
    """Train, from the last checkpoint where there is one, and leave the adapter in OUT/adapter. Raises as `stage.run`."""
    if processes.is_split():
        raise UsageError("PPO updates the weights some times a step, which they cannot be split for", "start it with torchrun, or take grpo")
    return rewarded.run(settings, _trainer, note, sinks)


def make_learner(settings: Ppo, given: stage.Given) -> Learner:
    """Add the reference and the value head, which says 0 at first, to the model."""
    import torch
    from trl.trainer.utils import disable_dropout_in_model

    trained = given.trained
    if settings.adapter:
        trained.load_adapter(str(settings.adapter), adapter_name=REFERENCE, is_trainable=False)
    disable_dropout_in_model(trained)  # the ratio of two probabilities should tell of the weights alone
    trained.value_head = torch.nn.Linear(trained.config.hidden_size, 1, device=trained.device)
    torch.nn.init.zeros_(trained.value_head.weight)
    torch.nn.init.zeros_(trained.value_head.bias)
    if settings.training.checkpointing:
        trained.enable_input_require_grads()
    return Learner(settings, given, trained.value_head)


def _trainer(given: stage.Given) -> Any:
    import torch
    from accelerate.utils import set_seed
    from transformers import Trainer, TrainingArguments

    settings = given.settings
    learner = make_learner(settings, given)
    schedule = settings.training

    class PpoTrainer(ByReward, Trainer):  # type: ignore[misc]  # transformers is not typed
        """A step of the Trainer is a batch of answers with all updates from it, so that a checkpoint is never between two of them."""

        def training_step(self, model: Any, inputs: list[dict[str, str]], num_items_in_batch: Any = None) -> Any:
            model.train()
            rollout = learner.sample(inputs)
            tokens = processes.total(rollout.mask.sum()) / processes.count()  # gradients of several processes are averaged
            losses = []
            for update in range(settings.updates):
                if update:  # the Trainer takes the last one
                    self.accelerator.clip_grad_norm_(model.parameters(), schedule.max_grad_norm)
                    self.optimizer.step()
                    model.zero_grad()
                for part in rollout.parts(schedule.batch):
                    loss = learner.losses(model, part) / tokens
                    self.accelerator.backward(loss)
                    losses.append(loss.detach())
            return torch.stack(losses).sum() / settings.updates

        def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
            super().log(logs | learner.means() if "loss" in logs else logs, start_time)

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            super()._save(output_dir, state_dict)
            torch.save(learner.head.state_dict(), Path(output_dir or self.args.output_dir) / HEAD)

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            learner.head.load_state_dict(torch.load(Path(resume_from_checkpoint) / HEAD, weights_only=True))

    given_arguments = rewarded.arguments(given)
    given_arguments |= {"per_device_train_batch_size": schedule.batch * schedule.accumulate, "gradient_accumulation_steps": 1}
    rows = given.learn.rows
    trainer = PpoTrainer(
        model=given.trained,
        args=TrainingArguments(**given_arguments, remove_unused_columns=False),
        data_collator=list,
        train_dataset=rows,
        eval_dataset=rows if given.measure.rows else None,  # not read: `evaluate` answers the validation rows
        processing_class=given.tokenizer,
        callbacks=training.early_stopping(settings, bool(given.measure.rows)),
    )
    trainer.measure = given.measure
    set_seed(settings.training.seed, device_specific=True)  # each process samples answers of its own
    return trainer
