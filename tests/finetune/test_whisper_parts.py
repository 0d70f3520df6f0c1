"""The parts of `otto finetune whisper`: sentences, tokens, the training's shortened view of 30 seconds, the word error."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the model is made with torch")
pytest.importorskip("transformers", reason="the model is made with transformers")

import torch

from finetune.whisper import clips, voices
from finetune.whisper.clips import Clip, ClipSettings
from finetune.whisper.score import word_error
from finetune.whisper.texts import Texts, spoken, texts_of
from finetune.whisper.tokens import END, NO_TIMESTAMPS, START, TIMESTAMPS, train_tokenizer
from finetune.whisper.train import EDGE, POSITIONS, Sample, WhisperSettings, decode, encode, new_model, train_whisper
from finetune.whisper.voices import Voice, held_out_voices, training_voice
from otto.errors import AudioError, UsageError
from tests.router import toy

TEXTS = ["set a timer for five minutes", "what's the weather in berlin", "open firefox"]
SMALL = WhisperSettings(hidden=32, feed_forward=32, heads=1, encoder_layers=2, decoder_layers=1, steps=4, batch=4, short_first=1, far=4, save_every=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("What's today's date?", "what's today's date"),
        ("Set a timer for twenty-five minutes, please.", "set a timer for twenty five minutes please"),
        ("Set a timer for 25 minutes", ""),  # twenty five, or two five
        ("2 + 2", ""),
        ("what's the wheather", ""),  # mistyped
        ("...", ""),
    ],
)
def test_sentences_are_plain_words_that_can_be_heard(text: str, said: str) -> None:
    assert spoken(text) == said


def test_what_is_held_out_is_not_spoken_in_training() -> None:
    texts = texts_of(toy.skills(), sampled=300, loose=20, seed=7)
    learnt = {*texts.own, *texts.sampled, *texts.loose}
    assert texts.own and texts.sampled and len(texts.loose) == 20
    assert not learnt & set(texts.held_out)
    assert texts == texts_of(toy.skills(), sampled=300, loose=20, seed=7)
    assert texts.sampled != texts_of(toy.skills(), sampled=300, loose=20, seed=8).sampled


def test_the_voices_of_the_test_speak_nowhere_in_training() -> None:
    rng = random.Random(1)
    learnt = {training_voice(rng, flite=0.3).name for _ in range(3000)}
    timbres = {name.partition("+")[2] for name in learnt} - {""}
    for voice in held_out_voices():
        assert voice.name not in learnt
        assert voice.name.partition("+")[2] not in timbres
    assert {voice.program for voice in held_out_voices()} == {"espeak-ng", "flite"}


def test_a_missing_program_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="espeak-ng and flite cannot be found; install it with: apt-get install espeak-ng flite"):
        voices.require_voices()
    with pytest.raises(AudioError, match="The voice flite:slt could not say 'hello'"):
        Voice("flite", "slt").speak("hello")


@pytest.mark.parametrize("voice", [Voice("espeak-ng", "en-us+m3"), Voice("flite", "slt", speed=1.2, pitch=0.9)], ids=str)
def test_a_voice_speaks(voice: Voice) -> None:
    if not shutil.which(voice.program):
        pytest.skip(f"{voice.program} is not on this machine")
    samples = voice.speak("-v what's the weather; in $HOME?")  # neither an option nor a command
    assert samples.dtype == np.int16
    assert 1 < len(samples) / 16_000 < 6
    assert clips.features_of(Clip("what's the weather", voice, 1)).shape[0] == 80


@pytest.mark.parametrize("seed", range(6))
def test_sounds_without_speech_have_features(seed: int) -> None:
    features = clips.features_of(Clip("", None, seed))
    assert features.dtype == np.float16
    assert 100 <= features.shape[1] <= 601
    assert np.isfinite(features).all()


def test_the_plan_says_own_sentences_twice() -> None:
    plan = clips.plan(Texts(("a", "b"), ("c",), ("d e",), ("f",)), ClipSettings(clips=100))
    assert sorted(clip.text for clip in plan) == ["a", "a", "b", "b", "c", "d e"]
    assert len(clips.plan(Texts(("a",) * 40, (), (), ()), ClipSettings(clips=50))) == 50


def test_the_tokenizer_has_what_faster_whisper_looks_for() -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    for letter in "abcdefghijklmnopqrstuvwxyz":
        assert len(tokenizer.encode(f" {letter}").ids) == 1
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(f" {text}").ids) == f" {text}"
    first, last = tokenizer.token_to_id(TIMESTAMPS[0]), tokenizer.token_to_id(TIMESTAMPS[-1])
    assert first == tokenizer.token_to_id(NO_TIMESTAMPS) + 1
    assert last - first == 1500
    assert tokenizer.token_to_id(END) < tokenizer.token_to_id(START) < first


def test_all_of_the_padding_is_what_transformers_computes_and_a_few_positions_come_near() -> None:
    torch.manual_seed(0)
    model = new_model(train_tokenizer(TEXTS, 300), SMALL).eval()
    features = torch.zeros(2, 80, 2 * POSITIONS)
    features[:, :, :200] = torch.randn(2, 80, 200) / 2
    ids = torch.tensor([[300, 301, 5, 6, 7]] * 2)
    window = (200 + EDGE) // 2
    with torch.no_grad():
        whole = model.model.encoder(features).last_hidden_state
        wanted = model.model.decoder(input_ids=ids, encoder_hidden_states=whole).last_hidden_state
        heard, mask = encode(model, features[:, :, : 200 + EDGE], torch.arange(window, POSITIONS))
        torch.testing.assert_close(heard, whole, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(decode(model, ids, heard, mask), wanted, atol=1e-4, rtol=1e-4)
        few, mask = encode(model, features[:, :, : 200 + EDGE], torch.arange(window + 10, POSITIONS, 40))
        none, no_mask = encode(model, features[:, :, : 200 + EDGE], torch.arange(0))
    near, far = ((item[:, :window] - whole[:, :window]).abs().mean() for item in (few, none))
    assert near < far / 2
    assert no_mask.shape[-1] == window


@pytest.fixture
def samples() -> list[Sample]:
    rng = np.random.default_rng(0)
    return [Sample(text, rng.normal(0, 0.3, (80, 120 + 10 * number)).astype(np.float16)) for number, text in enumerate([*TEXTS, "", *TEXTS, ""])]


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(samples: list[Sample], tmp_path: Path) -> None:
    tokenizer = train_tokenizer(TEXTS, 300)
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    whole = train_whisper(samples, tokenizer, SMALL, tmp_path / "whole", lambda line: None)
    with pytest.raises(KeyboardInterrupt):
        train_whisper(samples, tokenizer, SMALL, tmp_path / "parts", _interrupt)
    again = train_whisper(samples, tokenizer, SMALL, tmp_path / "parts", lambda line: None)
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], weight, msg=name)


def _interrupt(line: str) -> None:
    """When the first checkpoint has been written."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("set a timer", "set a timer", 0),
        ("set a timer", "set the timer", 1),
        ("set a timer", "set timer", 1),
        ("set a timer", "set a new timer", 1),
        ("set a timer", "", 3),
    ],
)
def test_the_word_error_counts_wrong_missing_and_added_words(said: str, heard: str, errors: int) -> None:
    found = word_error([(said, heard)])
    assert (found.errors, found.words, found.n) == (errors, 3, 1)


def test_the_interval_of_the_word_error_holds_it_and_narrows() -> None:
    pairs = [("one two three four", "one two three four")] * 9 + [("one two three four", "one two")]
    few, many = word_error(pairs), word_error(pairs * 20)
    assert few.value == many.value == pytest.approx(0.05)
    assert few.low <= 0.05 <= few.high
    assert many.high - many.low < few.high - few.low
    with pytest.raises(ValueError, match="there is no clip"):
        word_error([])
