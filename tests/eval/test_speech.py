"""Cases that are recordings: read, mixed with noise, heard and routed as the assistant would."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eval.cases import Case
from eval.measure import Options, measure
from eval.noise import active_part, read_samples, rms
from eval.runner import PAUSE
from eval.speech import SpeechEar, open_ear, with_noise
from otto import Call
from otto.config import Settings, load_settings
from otto.errors import AudioError, OttoError, Problems, StoreError, UsageError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.paths import room
from otto.registry import Registry

ROOT = room("skills").parent
DEMO = ROOT / "otto" / "assets" / "demo"
BARISTA = Path(__file__).resolve().parents[1] / "plugins" / "barista"
DATA = ROOT.parent / "shared" / "data" / "speech"
TIMER, CITY = DEMO / "01-set-a-timer-for-five-minutes.flac", DEMO / "02-what-time-is-it-in-london.flac"
ORDER = Call("orderDrink", {"coffeeDrink": "latte"})

needs_data = pytest.mark.skipif(not (DATA / "barista" / "labels.jsonl").is_file(), reason="the barista recordings of ../shared/data are not on this machine")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "none.toml", {"OTTO_HOME": str(tmp_path / "home")})


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    """Noise of a steady kind: two seconds, drawn by a seed."""
    return write(tmp_path / "hum.wav", np.random.default_rng(0).normal(0, 800, 32_000).astype(np.int16))


def write(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def recording(id: str = "a", audio: Path = TIMER, **more: Any) -> Case:
    return Case(id, "", ((ORDER,),), audio=audio, **more)


class Dictation:
    """A speech engine that writes down how long each utterance was."""

    name = "dictation"

    def __init__(self, hears: Callable[[Utterance], str] = lambda utterance: "words") -> None:
        self.hears = hears
        self.utterances: list[Utterance] = []

    def partial(self, utterance: Utterance) -> str:
        heard = self.transcribe(utterance)
        return heard.text if isinstance(heard, Transcript) else ""

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        self.utterances.append(utterance)
        text = self.hears(utterance)
        return Transcript(text, self.name, 2.0) if text else NotRecognized("no words", self.name, 3.0)


# --- levels of noise


def test_each_recording_once_a_level(hum: Path) -> None:
    text = Case("t", "words", ((ORDER,),))
    found = with_noise([recording(), text, recording("b", group="anna")], hum, [None, 12, 6.5])
    assert [(case.id, case.snr, case.group) for case in found] == [
        ("a", None, "a"), ("a@12dB", 12, "a"), ("a@6.5dB", 6.5, "a"), ("t", None, ""), ("b", None, "anna"), ("b@12dB", 12, "anna"), ("b@6.5dB", 6.5, "anna"),
    ]  # fmt: skip
    assert found[1].gold == ((ORDER,),) and found[1].audio == TIMER


def test_noise_is_not_added_twice(hum: Path) -> None:
    with pytest.raises(UsageError, match="The recording a .* has noise already"):
        with_noise([recording(snr=3.0)], hum, [12])


def test_the_noise_is_read_first(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        with_noise([recording()], tmp_path / "none.wav", [12])


def test_what_is_heard_has_the_noise_in_it(settings: Settings, hum: Path) -> None:
    clean = read_samples(TIMER)
    active = active_part(clean)
    ear = SpeechEar(Dictation(), settings, read_samples(hum), seed=0)
    for snr in (24, 6):
        sound = ear.sound(recording(f"a@{snr}dB", snr=float(snr)))
        left = (sound.astype(float) - clean)[active]
        assert 20 * np.log10(rms(clean[active]) / rms(left)) == pytest.approx(snr, abs=0.05)
    assert np.array_equal(ear.sound(recording()), clean)


def test_the_stretch_of_noise_is_the_cases_own(settings: Settings, hum: Path) -> None:
    def left(id: str, snr: float, seed: int = 0) -> np.ndarray:
        ear = SpeechEar(Dictation(), settings, read_samples(hum), seed)
        return ear.sound(recording(f"{id}@{snr:g}dB", snr=snr)).astype(float) - read_samples(TIMER)

    same = np.corrcoef(left("a", 12), left("a", 6))[0, 1]
    assert same > 0.999
    assert np.array_equal(left("a", 12), left("a", 12))
    assert abs(np.corrcoef(left("a", 12), left("b", 12))[0, 1]) < 0.5
    assert abs(np.corrcoef(left("a", 12), left("a", 12, seed=1))[0, 1]) < 0.5


# --- hearing


def test_every_utterance_is_heard(settings: Settings, tmp_path: Path) -> None:
    """The end-pointing of the settings cuts; what is not recognised has no text, and its time counts."""
    silence = np.zeros(16_000, np.int16)
    both = write(tmp_path / "both.wav", np.concatenate([read_samples(TIMER), silence, read_samples(CITY), silence, read_samples(TIMER)]))
    engine = Dictation()
    engine.hears = lambda utterance: "" if len(engine.utterances) == 2 else f"words {len(engine.utterances)}"
    heard = SpeechEar(engine, settings, None, 0).hear(recording(audio=both))
    assert heard.texts == ("words 1", "words 3")
    assert heard.ms == 2 + 3 + 2
    patient = settings.model_copy(update={"audio": settings.audio.model_copy(update={"silence_ms": 5000})})
    assert len(SpeechEar(Dictation(), patient, None, 0).hear(recording(audio=both)).texts) == 1


def test_silence_is_heard_as_nothing(settings: Settings, tmp_path: Path) -> None:
    quiet = write(tmp_path / "quiet.wav", np.zeros(16_000, np.int16))
    engine = Dictation()
    assert SpeechEar(engine, settings, None, 0).hear(recording(audio=quiet)).texts == ()
    assert engine.utterances == []


def test_an_engine_that_is_none(settings: Settings) -> None:
    with pytest.raises(UsageError, match="There is no speech engine ears"):
        open_ear("ears", Registry.from_folder(BARISTA), settings, None, 0)


# --- whole runs


def labels(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def row(id: str, audio: object, call: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"id": id, "text": None, "audio": str(audio), "skill": call and {"name": call["name"]}, "call": call, **more}


FIVE = {"name": "timer", "arguments": {"duration": "5 minutes"}}


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text("utf-8").splitlines()]


def test_a_run_over_recordings(settings: Settings, tmp_path: Path, hum: Path) -> None:
    silence = np.zeros(16_000, np.int16)
    write(tmp_path / "both.wav", np.concatenate([read_samples(TIMER), silence, read_samples(CITY)]))
    city = {"name": "timecheck", "arguments": {"location": "London"}}
    folder = labels(
        tmp_path,
        row("five", TIMER, FIVE, speaker_cluster="slt"),
        {"id": "both", "audio": "both.wav", "calls": [FIVE, city]},
        row("salt", DEMO / "06-could-you-pass-me-the-salt.flac", None),
    )
    options = Options((str(folder),), router="phrases", stt="closed-phrase", noise=str(hum), snr=(None, 40.0))
    found = measure(options, settings, tmp_path / "out")
    rows = {item["id"]: item for item in results(found.folder)}
    assert list(rows) == ["five", "five@40dB", "both", "both@40dB", "salt", "salt@40dB"]
    assert [item["exact"] for item in rows.values()] == [True] * 6
    assert rows["five"]["heard"] == "set a timer for five minutes"
    assert rows["five@40dB"]["snr"] == 40 and rows["five@40dB"]["group"] == "slt"
    assert rows["both"]["heard"] == f"set a timer for five minutes{PAUSE}what time is it in london"
    assert rows["salt"]["heard"] == "" and rows["salt"]["predicted"] == ["other()"]
    assert all(item["ms"]["stt"] > 0 for item in rows.values())
    assert list(found.summary["by_snr"]) == ["clean", "40"]
    assert found.summary["by_snr"]["clean"]["exact_match"]["n"] == 3
    assert "recordings" in found.summary["data"] and str(hum) in found.summary["data"]


def test_bad_recordings_are_listed_with_all_else(settings: Settings, tmp_path: Path) -> None:
    data = TIMER.read_bytes()
    (tmp_path / "damaged.flac").write_bytes(data[:200])
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "note.flac").write_text("no sound", encoding="utf-8")
    folder = labels(
        tmp_path,
        row("a", "none.flac", FIVE),
        row("b", "damaged.flac", FIVE),
        row("c", "empty.wav", FIVE),
        row("d", "note.flac", FIVE),
        row("e", TIMER, {"name": "orderTea", "arguments": {}}),
        row("f", TIMER, FIVE),
    )
    with pytest.raises(Problems) as error:
        measure(Options((str(folder),), router="phrases"), settings, tmp_path / "out")
    wheres = [problem.where.rpartition("/")[2] for problem in error.value.problems]
    assert wheres == [f"labels.jsonl:{line}" for line in range(1, 6)]
    assert [part in str(error.value) for part in ("none.flac does not exist", "damaged.flac is not a sound file or is damaged", "empty.wav is empty", "orderTea")]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"snr": (12.0,)}, "--snr says how loud a noise is"),
        ({"noise": "hum.wav"}, "--noise needs to know how loud"),
        ({"noise": "none.wav", "snr": (12.0,)}, "none.wav"),
        ({"stt": "ears"}, "There is no speech engine ears"),
    ],
)
def test_options_that_do_not_fit(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hum: Path, options: dict[str, Any], what: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = labels(tmp_path, row("a", TIMER, FIVE))
    with pytest.raises(OttoError, match=what):
        measure(Options((str(folder),), router="phrases", **options), settings, tmp_path / "out")


def test_noise_is_for_recordings(settings: Settings, tmp_path: Path, hum: Path) -> None:
    folder = labels(tmp_path, {"id": "a", "text": "words", "call": None})
    with pytest.raises(UsageError, match="--stt and --noise are for recordings"):
        measure(Options((str(folder),), router="phrases", noise=str(hum), snr=(12.0,)), settings, tmp_path / "out")


def test_the_skills_of_a_folder(settings: Settings, tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"id": "a", "text": "can i get a latte", "call": 'orderDrink(coffeeDrink="latte")'}) + "\n", encoding="utf-8")
    options = Options((str(cases),), skills=str(BARISTA), router="phrases")
    assert measure(options, settings, tmp_path / "out").summary["exact_match"]["value"] == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="There is no skill in"):
        measure(replace(options, skills=str(tmp_path / "empty")), settings, tmp_path / "out2")


@needs_data
def test_coffee_orders_of_people(settings: Settings, tmp_path: Path) -> None:
    """Two recordings, clean, and drowned in noise."""
    options = Options(
        (str(DATA / "barista"),), skills=str(BARISTA), router="phrases", stt="closed-phrase", noise=str(DATA / "noise" / "kitchen.flac"),
        snr=(None, 0.0), limit=2,
    )  # fmt: skip
    found = measure(options, settings, tmp_path / "out")
    rows = results(found.folder)
    assert len(rows) == 4 and found.summary["complete"]
    assert {item["group"] for item in rows} <= {f"c{number:02d}" for number in range(60)}
    assert [item["exact"] for item in rows if item["snr"] is None] == [True, True]
    assert found.summary["by_snr"]["0"]["exact_match"]["value"] <= found.summary["by_snr"]["clean"]["exact_match"]["value"]
