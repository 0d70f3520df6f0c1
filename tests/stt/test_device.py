"""What this machine computes Whisper on, and which size it does in time."""

from __future__ import annotations

import ctranslate2
import pytest

from otto.errors import ModelError
from otto.stt.device import IN_TIME, SIZES, devices, sentence_seconds, size_in_time

without_card = pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="this machine has a graphics card")


def test_the_processor_can_always_be_asked_for() -> None:
    assert devices("cpu") == ("cpu",)


@without_card
def test_without_a_graphics_card_auto_is_the_processor() -> None:
    assert devices("auto") == ("cpu",)


@without_card
def test_a_graphics_card_that_is_not_there() -> None:
    expected = r"The graphics card cannot be used \(there is none that CUDA knows\); use the processor: otto config set stt\.device cpu\."
    with pytest.raises(ModelError, match=expected):
        devices("cuda")


@pytest.mark.parametrize(
    ("name", "gflop"),
    [("tiny.en", 36.9), ("base.en", 87.4), ("small.en", 344.2)],  # the encoder alone: layers x (24 T d^2 + 4 T^2 d) + convolutions, T = 1500
)
def test_the_work_of_a_size_is_that_of_its_encoder_and_a_little_more(name: str, gflop: float) -> None:
    size = next(size for size in SIZES if size.name == name)
    assert gflop < size.gflop < 1.35 * gflop


def test_larger_sizes_take_longer_and_the_largest_in_time_is_chosen() -> None:
    seconds = sentence_seconds()
    assert list(seconds) == [size.name for size in SIZES]
    assert sorted(seconds.values()) == list(seconds.values())
    name, seconds = size_in_time()
    fitting = [size for size, needed in seconds.items() if needed <= IN_TIME]
    assert name == (fitting[-1] if fitting else "tiny.en")
