"""The embedded Llama: what it may write, and what it does where its files are damaged."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from otto import Call, Duration
from otto.errors import InvalidCall, ModelError
from otto.registry import Registry
from otto.router.encoder import WEIGHTS
from otto.router.llama import MAX_WORDS, MOST_LISTED, Llama, LlamaReader, LlamaRouter, Reading
from otto.router.onnx import MEND
from otto.skill import SkillSpec, declare
from otto.words import normal_text, split_words
from tests import bundled
from tests.router import toy

SOME = hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def reader() -> LlamaReader:
    return LlamaReader(list(bundled.registry()))


COMMANDS = [
    ("set a timer for 12 minutes", 'timer(duration="12 minutes")'),
    ("what's the weather in madrid", 'weather(location="Madrid")'),
    ("what is 17 times 3", 'math(question="17 * 3")'),
    ("mute the sound", 'volume(action="mute")'),
    ("skip this song", 'media(action="next")'),
    ("open firefox", 'runapp(program="firefox")'),
    ("what time is it in tokyo", 'timecheck(location="Tokyo")'),
    ("which timers are running", 'timers(action="list")'),
    ("how full is the disk", 'system(what="disk")'),
]


@pytest.mark.parametrize(("said", "call"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_commands(reader: LlamaReader, said: str, call: str) -> None:
    assert str(reader.call(reader.write(said), said)) == call


@pytest.mark.parametrize("said", ["my grandmother was born in poland", "i do not like this soup", "we had soup and bread for lunch"])
def test_stray_talk(reader: LlamaReader, said: str) -> None:
    assert reader.call(reader.write(said), said) == Call("other")


def test_a_reading_knows_its_spans_and_how_sure_it_is(reader: LlamaReader) -> None:
    reading = reader.write("please set a timer for 12 minutes")
    assert reading.skill == "timer"
    assert [(span.parameter, span.first, span.last) for span in reading.spans] == [("duration", 5, 6)]
    assert reading.fixed == ()
    assert -6.0 < reading.log_probability < 0.0
    assert 1 <= reading.choices <= 12


def test_the_same_text_is_read_alike(reader: LlamaReader) -> None:
    first = reader.write("wake me up at six")
    reader.write("something else in between")
    second = reader.write("wake me up at six")
    assert (second.skill, second.spans, second.fixed) == (first.skill, first.spans, first.fixed)
    assert second.log_probability == pytest.approx(first.log_probability, abs=1e-6)


spoken = st.lists(
    st.sampled_from("set a timer for five minutes weather in berlin note to buy milk open the door convert ten miles to km what is 3 + 4 at noon tell me story about dragons 'x' \"y\"".split())
    | st.text("abcdeäß你👍019.,'\"\\()%", min_size=1, max_size=6),
    min_size=1,
    max_size=12,
).map(" ".join)  # fmt: skip


@SOME
@given(spoken)
def test_only_words_of_the_utterance_can_be_arguments(reader: LlamaReader, said: str) -> None:
    reading = reader.write(said)
    words = [word.text for word in split_words(said)]
    for span in reading.spans:
        assert 0 <= span.first <= span.last < len(words)
    specs = bundled.registry().specs
    if reading.skill == "other":
        assert (reading.spans, reading.fixed) == ((), ())
        return
    for name, value in reading.fixed:
        parameter = specs[reading.skill].parameter(name)
        assert value in parameter.choices, f"{name}={value!r} is no text of the utterance and no choice"
    call = reader.call(reading, said)
    if call is not None:
        assert str(specs[call.name].canonical(call)) == str(call)
        texts = {name: value for name, value in call.arguments.items() if specs[call.name].parameter(name).free_text}
        for value in texts.values():
            assert f" {normal_text(value)} " in f" {' '.join(words)} "


@SOME
@given(st.text(max_size=80))
def test_any_text_can_be_read(reader: LlamaReader, said: str) -> None:
    reading = reader.write(said)
    assert reading.skill in bundled.registry().specs
    assert reading.log_probability <= 0.0
    call = reader.call(reading, said)
    assert call is None or call.name in bundled.registry().specs


def test_a_text_without_words_is_other(reader: LlamaReader) -> None:
    assert LlamaRouter(toy.registry()).route("?!").calls == (Call("other"),)
    assert reader.write("").skill in ("other", *(spec.name for spec in bundled.registry() if not any(parameter.required for parameter in spec.parameters)))


def test_a_very_long_text_is_read_to_its_limit(reader: LlamaReader) -> None:
    said = " ".join(["note that the milk is sour"] * 60)
    reading = reader.write(said)
    assert all(span.last < MAX_WORDS for span in reading.spans)


def test_a_reading_whose_words_do_not_fit_is_no_call(reader: LlamaReader) -> None:
    from otto.align import Span

    unfit = Reading("timer", (Span("duration", 0, 1),), (), -0.1, 3)
    assert reader.call(unfit, "the weather") is None
    assert reader.call(Reading("gone", (), (), -0.1, 1), "the weather") == Call("other")


def test_the_router_tells_how_sure_it_is() -> None:
    router = LlamaRouter(bundled.registry())
    route = router.route("set a timer for 12 minutes")
    assert (route.calls, route.engine) == ((Call("timer", {"duration": "12 minutes"}),), "llama")
    assert 0.3 < route.confidence <= 1.0


def pager(message: str) -> None:
    """Send a page to the doctor on duty."""


def lamp(action: Literal["on", "off"]) -> None:
    """Turn the desk lamp on or off."""


def dishwasher(duration: Duration) -> None:
    """Run the dishwasher for a duration."""


def test_a_skill_without_an_example_can_be_called_from_its_signature() -> None:
    """It has never seen this skill: nothing is promised for it but that what it writes is one of the installed calls."""
    registry = Registry.of([*bundled.registry(), declare(dishwasher), declare(lamp)])
    reader = LlamaReader(list(registry))
    for said in ("run the dishwasher for 40 minutes", "turn the desk lamp off", "dishwasher for an hour"):
        reading = reader.write(said)
        assert reading.skill in registry.specs
        call = reader.call(reading, said)
        assert call is None or str(registry.get(call.name).canonical(call)) == str(call)


def hundred_skills() -> list[SkillSpec]:
    """Signatures as other people write them."""
    found = []
    for number in range(100):

        def target(text: str, kind: Literal["a", "b"] = "a", loud: bool = False) -> None:
            """Do one of a hundred things."""

        found.append(declare(target, name=f"skill_{number}"))
    return found


def test_with_many_skills_only_the_likely_ones_are_shown() -> None:
    specs = [*bundled.registry(), *hundred_skills()]
    assert len(specs) > MOST_LISTED
    reader = LlamaReader(specs)
    said = "set a timer for 12 minutes"
    reading = reader.write(said, ["timer", "alarm", "skill_3", "no_such_skill"])
    assert reader.call(reading, said) == Call("timer", {"duration": "12 minutes"})
    assert reader.write(said, ["skill_3", "skill_4"]).skill in ("skill_3", "skill_4", "other")
    for likely in ([], ["no_such_skill"]):
        assert reader.write(said, likely).skill in {spec.name for spec in specs}
    route = LlamaRouter(Registry.of(specs)).route(said)
    assert route.calls[0].name in {spec.name for spec in specs}


def test_no_skills_at_all() -> None:
    route = LlamaRouter(Registry.of([])).route("set a timer")
    assert (route.calls, route.acts) == ((Call("other"),), False)


def test_skills_that_changed_are_read_anew() -> None:
    router = LlamaRouter(bundled.registry())
    router.update(Registry.of([declare(lamp)]))
    assert router.route("set a timer for 12 minutes").calls[0].name in ("lamp", "other")


def copy(folder: Path) -> Path:
    for name in ("llama.onnx", "llama.json"):
        shutil.copy(WEIGHTS / name, folder / name)
    return folder


def test_missing_weights_are_one_sentence_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        Llama(tmp_path)
    assert str(caught.value) == f"The model llama.onnx cannot be loaded, it is not there; {MEND}."
    copy(tmp_path)
    (tmp_path / "llama.json").unlink()
    with pytest.raises(ModelError, match=r"^The model's file llama.json cannot be read \(.*No such file.*\); install otto-assistant"):
        Llama(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_weights_that_are_cut_off(tmp_path: Path, share: float) -> None:
    data = (copy(tmp_path) / "llama.onnx").read_bytes()
    (tmp_path / "llama.onnx").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"^The model llama.onnx cannot be loaded, it is damaged: .*; install otto-assistant") as caught:
        Llama(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_of_nonsense(tmp_path: Path) -> None:
    copy(tmp_path)
    (tmp_path / "llama.onnx").write_bytes(b"\x00\xff" * 5000)
    with pytest.raises(ModelError, match="it is damaged"):
        Llama(tmp_path)


STORED: list[Any] = ["", "nonsense", "{}", "[]", '{"tokenizer": {}, "sizes": {}}', '{"tokenizer": 3}']


@pytest.mark.parametrize("text", STORED)
def test_a_damaged_tokenizer(tmp_path: Path, text: str) -> None:
    copy(tmp_path)
    (tmp_path / "llama.json").write_text(text)
    with pytest.raises(ModelError, match=r"^The model's file llama.json cannot be read") as caught:
        Llama(tmp_path)
    assert "\n" not in str(caught.value)


def test_sizes_that_are_missing(tmp_path: Path) -> None:
    copy(tmp_path)
    stored = json.loads((tmp_path / "llama.json").read_text())
    del stored["sizes"]
    (tmp_path / "llama.json").write_text(json.dumps(stored))
    with pytest.raises(ModelError, match="llama.json cannot be read"):
        Llama(tmp_path)


def test_every_example_of_the_signature_is_a_call() -> None:
    """The reading of a cut-off text is other() with no probability at all."""
    llama = Llama()
    assert llama._reading('timer(duration=" five', ["five"], -1.0, 4) == Reading("other", (), (), -math.inf, 4)


def test_two_arguments_of_the_same_words_stand_at_two_places() -> None:
    llama = Llama()
    reading = llama._reading('convert(source=" miles", target=" miles")', ["miles", "to", "miles"], -1.0, 4)
    assert [(span.parameter, span.first, span.last) for span in reading.spans] == [("source", 0, 0), ("target", 2, 2)]


def test_a_call_that_does_not_validate_is_refused_not_raised(reader: LlamaReader) -> None:
    try:
        assert reader.call(Reading("volume", (), (("action", "explode"),), -0.1, 2), "volume") is None
    except InvalidCall:
        pytest.fail("it was raised")
