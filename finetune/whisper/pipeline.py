"""`otto finetune whisper`: from the examples of the bundled skills to a small Whisper for tests.

    examples ─ sentences ─ synthetic voices ─ features ─ Whisper ─ export ─ word error ─ card

Nothing of it is for users: what was never a human voice teaches little about human voices.
"""

from __future__ import annotations

import hashlib
import json
import platform
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

from finetune.embedded.begun import check_settings, keep_settings
from finetune.whisper import clips
from finetune.whisper.clips import Clip, ClipSettings
from finetune.whisper.export import FILES, export_whisper
from finetune.whisper.modelcard import model_card
from finetune.whisper.score import word_error
from finetune.whisper.texts import Texts, texts_of
from finetune.whisper.tokens import train_tokenizer
from finetune.whisper.train import Sample, WhisperSettings, train_whisper
from finetune.whisper.voices import ESPEAK, FLITE, Voice, held_out_voices, require_voices
from otto.messages import NotRecognized, Utterance
from otto.registry import Registry
from otto.stt.whisper import WhisperEngine

LONGEST = 480  # frames of a clip to learn from


@dataclass(frozen=True)
class Plan:
    """What to make the model from, and where."""

    work: Path  # features, checkpoints and logs
    out: Path  # the model
    clips: ClipSettings = ClipSettings()
    whisper: WhisperSettings = WhisperSettings()
    scored: int = 450  # held-out clips


def run(plan: Plan, say: Callable[[str], None] = print) -> dict[str, Any]:
    """All stages; clips that lie in the work folder already are not made again, and a training that was begun goes on. Returns the card.

    Raises:
        OttoError: a voice cannot speak, an extra is not installed, or what lies in the work folder is of other settings.
    """
    require_voices()
    texts = texts_of(bundled_specs(), plan.clips.sampled, plan.clips.loose, plan.clips.seed)
    say(f"{len(texts.own)} sentences, {len(texts.sampled)} with other values, {len(texts.loose)} of loose words, {len(texts.held_out)} held out")
    plan.work.mkdir(parents=True, exist_ok=True)
    for name, settings in (("clips", plan.clips), ("settings", plan.whisper)):
        file = plan.work / f"{name}.json"
        check_settings(settings, file)
        keep_settings(settings, file)
    files = clips.make_clips(clips.plan(texts, plan.clips), plan.work / "clips", plan.clips.workers, say)
    samples = [sample for sample in starmap(Sample, clips.read_clips(files)) if 2 * len(sample.text) <= sample.features.shape[1] <= LONGEST]
    tokenizer = train_tokenizer(sorted(sample.text for sample in samples if sample.text), plan.whisper.pieces)
    say(f"{plan.whisper.steps} steps on {len(samples)} clips; the log is {plan.work / 'log.jsonl'}")
    model = train_whisper(samples, tokenizer, plan.whisper, plan.work, say)
    export_whisper(model, tokenizer, plan.out)
    say("The word error")
    card = _card(plan, texts, len(samples), sum(item.numel() for item in model.parameters()), _scores(plan.out, texts, plan.scored))
    (plan.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (plan.out / "MODEL_CARD.md").write_text(model_card(card), encoding="utf-8")
    return card


def bundled_specs() -> tuple[Any, ...]:
    """The bundled skills."""
    registry = Registry.load(bundled=True, entry_points=False)
    registry.install()
    return tuple(registry)


def held_out_clips(texts: Texts, voices: Sequence[Voice], count: int, seed: int = 1) -> list[Clip]:
    """Held-out sentences, each in one of the voices in turn."""
    rng = random.Random(seed)
    said = rng.sample(texts.held_out, min(count, len(texts.held_out)))
    return [Clip(text, voices[number % len(voices)], rng.randrange(2**31)) for number, text in enumerate(said)]


def transcribed(engine: WhisperEngine, spoken: Sequence[Clip]) -> list[tuple[str, str]]:
    """What was said and what was heard. Raises AudioError."""
    import numpy as np

    pairs = []
    for clip in spoken:
        assert clip.voice
        pause = np.zeros(4000, np.int16)  # an end-pointer leaves a little silence around an utterance
        heard = engine.transcribe(Utterance(np.concatenate([pause, clip.voice.speak(clip.text), pause])))
        pairs.append((clip.text, "" if isinstance(heard, NotRecognized) else heard.text))
    return pairs


def _scores(folder: Path, texts: Texts, count: int) -> dict[str, Any]:
    engine = WhisperEngine(folder)
    spoken = held_out_clips(texts, held_out_voices(), count)
    pairs = transcribed(engine, spoken)
    scores = {"held-out commands, held-out voices": word_error(pairs).to_json()}
    for program in (ESPEAK, FLITE):
        own = [pair for pair, clip in zip(pairs, spoken, strict=True) if clip.voice and clip.voice.program == program]
        scores[f"of them {program}"] = word_error(own).to_json()
    return scores


def _card(plan: Plan, texts: Texts, samples: int, parameters: int, scores: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "whisper-tiny-commands",
        "made_by": "otto finetune whisper",
        "parameters": parameters,
        "whisper": asdict(plan.whisper),
        "clips": asdict(plan.clips) | {"learnt_from": samples},
        "sentences": {name: len(found) for name, found in asdict(texts).items()},
        "held_out_voices": [str(voice) for voice in held_out_voices()],
        "scores": scores,
        "files": {name: {"bytes": (plan.out / name).stat().st_size, "sha256": _hash(plan.out / name)} for name in FILES},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
