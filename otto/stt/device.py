"""What this machine can do: the graphics card where its libraries are there too, and the Whisper size that the processor does in time."""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass

from otto.errors import ModelError

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
COMPUTE = {CPU: "int8", CUDA: "float16"}
IN_TIME = 0.8  # seconds from the end of what was said to its text
# int8 Whisper in CTranslate2 against float32 matrices in numpy, at the same work: measured with random weights of the sizes on one core of an
# x86 with AVX-512, encoders of tiny.en 0.62, base.en 0.75, small.en 1.0
GAIN = 0.75
_CUDA_LIBRARIES = ("cublas64_12.dll", "cudnn64_9.dll") if sys.platform == "win32" else ("libcublas.so.12", "libcudnn.so.9")


def devices(wanted: str) -> tuple[str, ...]:
    """The devices to try, best first. Raises ModelError where a graphics card is asked for that cannot be used."""
    if wanted == CPU:
        return (CPU,)
    fault = _cuda_fault()
    if wanted == CUDA:
        if fault:
            raise ModelError(f"The graphics card cannot be used ({fault})", "use the processor: otto config set stt.device cpu")
        return (CUDA,)
    return (CPU,) if fault else (CUDA, CPU)


def _cuda_fault() -> str:
    """Why CTranslate2 cannot compute on a graphics card, "" where it can. Without the libraries it would end the whole process."""
    import ctranslate2

    if not ctranslate2.get_cuda_device_count():
        return "there is none that CUDA knows"
    for library in _CUDA_LIBRARIES:
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"{library} is missing"
    return ""


@dataclass(frozen=True)
class Size:
    """A Whisper size and the work of a sentence, most of it the encoder's, which always sees 30 seconds."""

    name: str
    encoder_layers: int
    decoder_layers: int
    width: int

    @property
    def gflop(self) -> float:
        """Multiplications and additions of a sentence of 20 tokens, in 10⁹."""
        positions, tokens = 1500, 20
        layer = positions * 24 * self.width**2 + 4 * positions**2 * self.width
        ends = 2 * 3 * self.width * (2 * positions * 80 + positions * self.width)
        crossed = positions * 4 * self.width**2  # the keys and values of the sound, once for each layer of the decoder
        decoder = self.decoder_layers * (crossed + tokens * 32 * self.width**2) + tokens * 2 * 51864 * self.width
        return (self.encoder_layers * layer + ends + decoder) / 1e9


SIZES = (Size("tiny.en", 4, 4, 384), Size("base.en", 6, 6, 512), Size("small.en", 12, 12, 768), Size("medium.en", 24, 24, 1024))


def sentence_seconds() -> dict[str, float]:
    """An estimate of how long each size takes for a sentence on this processor, from how fast it multiplies matrices now."""
    gflop_a_second = _multiplied() * GAIN
    return {size.name: size.gflop / gflop_a_second for size in SIZES}


def size_in_time() -> tuple[str, dict[str, float]]:
    """The largest size that is done in time, the smallest where none is, and the estimates in seconds."""
    seconds = sentence_seconds()
    fitting = [name for name, needed in seconds.items() if needed <= IN_TIME]
    return (fitting or list(seconds))[-1 if fitting else 0], seconds


def _multiplied() -> float:
    """GFLOP a second of float32 matrices the size of an encoder layer's, best of four."""
    import numpy as np

    left, right = np.ones((1500, 512), np.float32), np.ones((512, 2048), np.float32)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - started)
    return 2 * 1500 * 512 * 2048 / best / 1e9
