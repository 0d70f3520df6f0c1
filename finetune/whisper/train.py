"""Trains the small Whisper from scratch on one CPU core.

faster-whisper pads every clip to 30 seconds, which costs ten times as much as the clip alone. All that padding is alike but for its
position, so a step looks at the clip and at a few positions of the padding, drawn anew, each of which counts in the attention for as many
as it stands for. A second head that spells the letters from the encoder's output alone (CTC; Graves et al. 2006) shows the encoder where
the words are, so that the decoder's attention finds them early (Watanabe et al. 2017, "Hybrid CTC/Attention").
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.whisper.tokens import END, NO_SPEECH, NO_TIMESTAMPS, PREVIOUS, START

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

    from finetune.whisper.clips import Features

MELS = 80
POSITIONS = 1500  # of the encoder, 20 ms each: 30 s
EDGE = 12  # frames of padding that a window ends with, so that its last position is padding alone
LETTERS = "-abcdefghijklmnopqrstuvwxyz' "  # of the CTC head; the first is its blank


@dataclass(frozen=True)
class WhisperSettings:
    """Size and schedule. About 3.3 million parameters as it stands, the fixed positions of the encoder among them."""

    pieces: int = 768
    hidden: int = 192
    feed_forward: int = 512
    heads: int = 3
    encoder_layers: int = 4
    decoder_layers: int = 2
    steps: int = 3000
    batch: int = 32  # clips
    short_first: int = 600  # of the steps: on the shorter half of the clips
    far: int = 32  # positions of the padding that a step looks at
    learning_rate: float = 1.2e-3
    warmup: int = 200  # steps
    decay: float = 0.4  # of the steps: the last ones, in which the rate goes down to nothing
    weight_decay: float = 0.05
    smoothing: float = 0.05  # of the labels
    ctc: float = 0.3  # of the loss
    prompted: float = 0.25  # of the steps: with words before, as hot words are given
    seed: int = 7
    threads: int = 1
    save_every: int = 300  # steps


@dataclass(frozen=True)
class Sample:
    """A clip to learn from."""

    text: str  # "" where nothing is said
    features: Features


def train_whisper(
    samples: Sequence[Sample], tokenizer: Tokenizer, settings: WhisperSettings, folder: Path, say: Callable[[str], None]
) -> WhisperForConditionalGeneration:
    """Train, logging to `folder/log.jsonl` and saving a checkpoint that a second start goes on from."""
    import torch

    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    trainer = _Trainer(tokenizer, settings)
    trainer.run(samples, folder, say)
    return trainer.model.float().eval()


def new_model(tokenizer: Tokenizer, settings: WhisperSettings) -> WhisperForConditionalGeneration:
    """A Whisper with random weights."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    end = tokenizer.token_to_id(END)
    return WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            d_model=settings.hidden,
            encoder_layers=settings.encoder_layers,
            decoder_layers=settings.decoder_layers,
            encoder_attention_heads=settings.heads,
            decoder_attention_heads=settings.heads,
            encoder_ffn_dim=settings.feed_forward,
            decoder_ffn_dim=settings.feed_forward,
            dropout=0.0,
            pad_token_id=end,
            bos_token_id=end,
            eos_token_id=end,
            decoder_start_token_id=tokenizer.token_to_id(START),
            suppress_tokens=None,
            begin_suppress_tokens=None,
            attn_implementation="eager",  # on a processor with AMX a third faster than the flash attention, backwards above all
        )
    )


def encode(model: WhisperForConditionalGeneration, features: torch.Tensor, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 80, T), the last `EDGE` frames of T being padding, and F positions of the padding behind it → (B, T/2 + F, H), and the logarithm
    of how many positions each of them stands for, as a mask (1, 1, 1, T/2 + F) of all attention to it.
    """
    import torch

    encoder = model.model.encoder
    hidden = torch.nn.functional.gelu(encoder.conv1(features))
    hidden = torch.nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
    window = hidden.shape[1]
    padding = hidden[:, -3:-2].expand(-1, len(far), -1)
    hidden = torch.cat([hidden + encoder.embed_positions.weight[:window], padding + encoder.embed_positions.weight[far]], dim=1)
    mask = torch.zeros(window + len(far), dtype=hidden.dtype)
    mask[window:] = math.log((POSITIONS - window) / len(far)) if len(far) else 0.0
    mask = mask.view(1, 1, 1, -1)
    for layer in encoder.layers:
        hidden = layer(hidden, mask)
    return encoder.layer_norm(hidden), mask


def decode(model: WhisperForConditionalGeneration, ids: torch.Tensor, heard: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """ids (B, L), what `encode` made → (B, L, H)."""
    import torch

    decoder, length = model.model.decoder, ids.shape[1]
    hidden = decoder.embed_tokens(ids) + decoder.embed_positions.weight[:length]
    later = torch.full((length, length), -1e9, dtype=hidden.dtype).triu(1).view(1, 1, length, length)
    for layer in decoder.layers:
        hidden = layer(hidden, attention_mask=later, encoder_hidden_states=heard, encoder_attention_mask=mask)
    return decoder.layer_norm(hidden)


class _Trainer:
    """bfloat16 forward and backward (twice the speed where the CPU has AMX), float32 weights in the optimiser."""

    def __init__(self, tokenizer: Tokenizer, settings: WhisperSettings) -> None:
        import torch

        self.settings, self.tokenizer = settings, tokenizer
        self.model = new_model(tokenizer, settings).train()
        self.ctc = torch.nn.Linear(settings.hidden, len(LETTERS))
        self.trained = [item for item in (*self.model.parameters(), *self.ctc.parameters()) if item.requires_grad]
        self.masters = [item.detach().clone().requires_grad_() for item in self.trained]
        groups = [
            {"params": [item for item in self.masters if item.dim() > 1], "weight_decay": settings.weight_decay},
            {"params": [item for item in self.masters if item.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
        self.model.to(torch.bfloat16)
        self.ctc.to(torch.bfloat16)
        names = tokenizer.get_vocab()
        self.end, self.start, self.previous, self.no_speech, self.no_timestamps = (
            names[name] for name in (END, START, PREVIOUS, NO_SPEECH, NO_TIMESTAMPS)
        )

    def run(self, samples: Sequence[Sample], folder: Path, say: Callable[[str], None]) -> None:
        import torch

        settings, checkpoint, log = self.settings, folder / "checkpoint.pt", folder / "log.jsonl"
        done = self._load(checkpoint)
        started, losses = time.monotonic(), []
        for number, batch in enumerate(_batches(samples, settings)):
            if number < done:
                continue
            losses.append(self._step(number, batch))
            if (number + 1) % 25 == 0:
                mean = {name: round(sum(loss[name] for loss in losses) / len(losses), 4) for name in losses[0]}
                line = {"step": number + 1, **mean, "seconds": round(time.monotonic() - started, 1)}
                with log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                losses = []
            if (number + 1) % settings.save_every == 0:
                say(f"Step {number + 1} of {settings.steps}")
                torch.save({"step": number + 1, "masters": self.masters, "optimizer": self.optimizer.state_dict()}, checkpoint.with_suffix(".new"))
                checkpoint.with_suffix(".new").replace(checkpoint)
                say(f"Step {number + 1} of {settings.steps}")
        self._copy_to_model()

    def _load(self, checkpoint: Path) -> int:
        import torch

        if not checkpoint.exists():
            return 0
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        with torch.no_grad():
            for master, saved in zip(self.masters, state["masters"], strict=True):
                master.copy_(saved)
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _rate(self, number: int) -> float:
        """Linear warm-up, then even, then linearly down to nothing."""
        left = (self.settings.steps - number) / (self.settings.decay * self.settings.steps)
        return self.settings.learning_rate * min(1.0, (number + 1) / self.settings.warmup, left)

    def _step(self, number: int, batch: Sequence[Sample]) -> dict[str, float]:
        import torch

        rng = random.Random(f"{self.settings.seed} {number}")
        longest = max(item.features.shape[1] for item in batch)
        frames = longest + longest % 2 + EDGE
        features = torch.stack([_augmented(item, frames, rng) for item in batch]).to(torch.bfloat16)
        far = torch.tensor(sorted(rng.sample(range(frames // 2, POSITIONS), self.settings.far)))
        ids, labels = self._targets(batch, rng)
        self._copy_to_model()
        heard, mask = encode(self.model, features, far)
        logits = self.model.proj_out(decode(self.model, ids, heard, mask)[labels >= 0])
        attention = torch.nn.functional.cross_entropy(logits.float(), labels[labels >= 0], label_smoothing=self.settings.smoothing)
        ctc = self._ctc_loss(self.ctc(heard[:, : (longest + 1) // 2]).float(), batch)
        ((1 - self.settings.ctc) * attention + self.settings.ctc * ctc).backward()
        with torch.no_grad():
            for master, parameter in zip(self.masters, self.trained, strict=True):
                master.grad = None if parameter.grad is None else parameter.grad.float()
                parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(number)
        self.optimizer.step()
        return {"loss": float(attention.detach()), "ctc": float(ctc.detach())}

    def _copy_to_model(self) -> None:
        import torch

        with torch.no_grad():
            for master, parameter in zip(self.masters, self.trained, strict=True):
                parameter.copy_(master)

    def _ctc_loss(self, spelled: torch.Tensor, batch: Sequence[Sample]) -> torch.Tensor:
        import torch

        targets = [torch.tensor([LETTERS.index(letter) for letter in item.text], dtype=torch.long) for item in batch]
        return torch.nn.functional.ctc_loss(
            spelled.log_softmax(-1).transpose(0, 1),
            torch.cat(targets),
            torch.tensor([(item.features.shape[1] + 1) // 2 for item in batch]),
            torch.tensor([len(item) for item in targets]),
            zero_infinity=True,
        )

    def _targets(self, batch: Sequence[Sample], rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
        """ids (B, L) and labels (B, L), -100 where nothing is to be learnt. What is said first is whether there is speech at all."""
        import torch

        prompted = rng.random() < self.settings.prompted
        words = [word for item in batch for word in item.text.split()] if prompted else []
        rows = []
        for item in batch:
            said = self.tokenizer.encode(f" {item.text}").ids if item.text else []
            ids = [self.start, self.no_timestamps, *said]
            labels = [self.no_timestamps if item.text else self.no_speech, *said, self.end]
            before = self._prompt(words, rng) if words else []
            rows.append((before + ids, [-100] * len(before) + labels))
        length = max(len(ids) for ids, _ in rows)
        return (
            torch.tensor([ids + [self.end] * (length - len(ids)) for ids, _ in rows]),
            torch.tensor([labels + [-100] * (length - len(labels)) for _, labels in rows]),
        )

    def _prompt(self, words: Sequence[str], rng: random.Random) -> list[int]:
        """Words that may or may not be said in the clip, as faster-whisper gives hot words, at times with a sentence of capitals and stops behind."""
        chosen = [rng.sample(words, min(len(words), rng.randint(1, 40))) for _ in range(2)]
        sentence = f" {' '.join(chosen[1]).capitalize()}." if rng.random() < 0.5 else ""
        return [self.previous, *self.tokenizer.encode(f" {', '.join(chosen[0])}{sentence}").ids[:200]]


def _batches(samples: Sequence[Sample], settings: WhisperSettings) -> Iterator[list[Sample]]:
    """The batches of all steps, each of clips of like length."""
    rng = random.Random(settings.seed)
    by_length = sorted(range(len(samples)), key=lambda number: samples[number].features.shape[1])
    numbers: list[list[int]] = []
    for step in range(settings.steps):
        if step == settings.short_first:
            numbers = []
        if not numbers:
            chosen = by_length[: len(by_length) // 2] if step < settings.short_first else by_length
            order = sorted(chosen, key=lambda number: samples[number].features.shape[1] + rng.random() * 50)
            numbers = [order[at : at + settings.batch] for at in range(0, len(order), settings.batch)]
            rng.shuffle(numbers)
        yield [samples[number] for number in numbers.pop()]


def _augmented(item: Sample, frames: int, rng: random.Random) -> torch.Tensor:
    """(80, frames): another length of the vocal tract, one band and one moment silenced at times, and zeros behind, as faster-whisper pads."""
    import torch

    features = torch.from_numpy(item.features).float()
    features = features[_warp(rng.uniform(0.9, 1.1))]
    if rng.random() < 0.5:
        first = rng.randrange(MELS - 12)
        features[first : first + rng.randint(2, 12)] = features.min()
    if rng.random() < 0.5:
        first = rng.randrange(features.shape[1])
        features[:, first : first + rng.randint(2, 8)] = features.min()
    return torch.nn.functional.pad(features, (0, frames - features.shape[1]))


def _warp(factor: float) -> list[int]:
    """Mel bands moved by a factor in frequency: below 1 kHz a mel band is a fixed width, above it a fixed ratio, here nearly so throughout."""
    return [min(MELS - 1, max(0, round(band * factor))) for band in range(MELS)]
