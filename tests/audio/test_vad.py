"""Where utterances begin and end, on recordings with silence of known length around them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from otto.audio.file import read_audio
from otto.audio.vad import Endpointer, utterances
from otto.demo import recordings
from otto.messages import SAMPLE_RATE, AudioFrame, Utterance

Samples = npt.NDArray[np.int16]


@pytest.fixture(scope="module")
def speech() -> Samples:
    """One spoken command without the silence around it, int16[n]."""
    samples = np.concatenate([frame.samples for frame in read_audio(recordings()[0].file)])
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 500)
    return samples[loud[0] : loud[-1] + 1]


def silence(seconds: float) -> Samples:
    """int16[n]: the faint hiss of a quiet room."""
    return np.random.default_rng(3).normal(0, 4, round(seconds * SAMPLE_RATE)).astype(np.int16)


def found_in(*parts: Samples, size: int = 512, **options: float) -> list[Utterance]:
    samples = np.concatenate(parts)
    frames = (AudioFrame(samples[start : start + size], start / SAMPLE_RATE) for start in range(0, len(samples), size))
    return list(utterances(frames, Endpointer(**options)))


def test_an_utterance_is_the_speech_with_padding(speech: Samples) -> None:
    (found,) = found_in(silence(1.5), speech, silence(1.5))
    assert found.start == pytest.approx(1.25, abs=0.2)
    assert found.seconds == pytest.approx(len(speech) / SAMPLE_RATE + 0.5, abs=0.4)
    assert found.vad_ms > 0
    assert found.samples.dtype == np.int16


def test_two_sentences_are_two_utterances(speech: Samples) -> None:
    first, second = found_in(silence(0.5), speech, silence(1.2), speech, silence(1))
    assert second.start > first.start + first.seconds


def test_a_pause_shorter_than_the_trailing_silence_does_not_end_an_utterance(speech: Samples) -> None:
    assert len(found_in(silence(0.5), speech, silence(0.5), speech, silence(2), trailing_silence=1.2)) == 1


def test_the_end_of_the_source_ends_an_utterance(speech: Samples) -> None:
    (found,) = found_in(silence(0.5), speech)
    assert found.start + found.seconds == pytest.approx(0.5 + len(speech) / SAMPLE_RATE, abs=0.04)


def test_endless_speech_is_cut(speech: Samples) -> None:
    found = found_in(speech, speech, speech, speech, max_utterance=1.0, trailing_silence=5)
    assert len(found) > 1
    assert all(utterance.seconds <= 1.0 for utterance in found)


@pytest.mark.parametrize("size", [37, 512, 1600, 40_000])
def test_the_length_of_the_frames_makes_no_difference(speech: Samples, size: int) -> None:
    parts = (silence(0.7), speech, silence(1), speech, silence(1))
    expected = found_in(*parts)
    found = found_in(*parts, size=size)
    assert [utterance.start for utterance in found] == [utterance.start for utterance in expected]
    assert all(np.array_equal(one.samples, other.samples) for one, other in zip(found, expected, strict=True))


def test_silence_and_hiss_and_hum_and_clicks_are_no_speech() -> None:
    time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    clicks = np.zeros(3 * SAMPLE_RATE, np.int16)
    clicks[::8000] = 20_000
    for samples in (
        np.zeros(3 * SAMPLE_RATE, np.int16),
        silence(3),
        (3000 * np.sin(2 * np.pi * 50 * time)).astype(np.int16),
        clicks,
        np.zeros(0, np.int16),
    ):
        assert found_in(samples) == []


def test_nothing_of_the_first_utterance_is_left_in_the_second(speech: Samples) -> None:
    endpointer = Endpointer()
    frames = [AudioFrame(part, 0) for part in np.array_split(np.concatenate([silence(0.5), speech]), 100)]
    first = list(utterances(frames, endpointer))
    assert len(first) == 1
    assert endpointer.flush() is None
