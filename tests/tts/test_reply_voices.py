"""The reply engines: espeak-ng and flite as they are; those of other systems by stand-ins that check what they are given."""

from __future__ import annotations

import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from otto.config import Settings, load_settings
from otto.errors import AudioError, ModelError
from otto.messages import Sound
from otto.tts import ENGINES, Chain, open_voice
from otto.tts.piper import Piper
from otto.tts.program import read_wav
from otto.tts.programs import Espeak, Flite, Sapi, Say

SENTENCE = "It is seven degrees in Berlin."
WAV = """
import os, struct, sys
def wav(samples=b"\\x10\\x27" * 800, rate=16000):
    return b"RIFF" + struct.pack("<I", 36 + len(samples)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", len(samples)) + samples
text = sys.stdin.buffer.read()
"""

Programs = Callable[[str, str], Path]


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**voice: object) -> Settings:
        environ = {f"OTTO_VOICE_{key.upper()}": str(value) for key, value in voice.items()}
        return load_settings(tmp_path / "none.toml", {"OTTO_HOME": str(tmp_path), **environ})

    return make


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Put a stand-in written in Python on an otherwise empty PATH: `program("say", "sys.stdout.buffer.write(wav())")`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def make(name: str, code: str) -> Path:
        file = folder / name
        file.write_text(f"#!{sys.executable}\n{WAV}\n{code}\n", encoding="utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    return make


def needs(name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize(("name", "rate"), [("espeak-ng", 22_050), ("flite", 16_000)])
def test_a_sentence_is_spoken(name: str, rate: int, settings: Callable[..., Settings]) -> None:
    needs(name)
    voice = open_voice(settings(engine=name))
    assert voice is not None
    assert voice.name == name
    sound = voice.synthesize(SENTENCE)
    assert (sound.rate, sound.samples.dtype, sound.samples.ndim) == (rate, np.int16, 1)
    assert 1.2 < sound.seconds < 4
    assert np.abs(sound.samples).max() > 3_000


@pytest.mark.parametrize("name", ["espeak-ng", "flite"])
def test_rate_and_volume(name: str, settings: Callable[..., Settings]) -> None:
    needs(name)
    normal, quick, quiet = (Chain.open(settings(engine=name, **options)).synthesize(SENTENCE) for options in ({}, {"rate": 300}, {"volume": 25}))
    assert 0.5 < quick.seconds / normal.seconds < 0.75  # 175 / 300 is 0.58; pauses are not shortened as much
    assert np.abs(quiet.samples).max() / np.abs(normal.samples).max() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("sentence", ["-o /tmp/x --help", "$(touch x); `id` | cat\nSecond line", "naïve café, 5 < 6 & 7 > 2", '"quoted" \\ end'])
@pytest.mark.parametrize("name", ["espeak-ng", "flite"])
def test_no_text_is_a_command(name: str, sentence: str, settings: Callable[..., Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs(name)
    monkeypatch.chdir(tmp_path)
    assert Chain.open(settings(engine=name)).synthesize(sentence).seconds > 0.4
    assert list(tmp_path.iterdir()) == []


def test_auto_takes_the_best_that_is_there(settings: Callable[..., Settings], program: Programs) -> None:
    assert open_voice(settings()) is None
    with pytest.raises(ModelError, match=r"There is no voice to speak the replies with; install one with: apt install espeak-ng"):
        Chain.open(settings())
    program("flite", "open(sys.argv[-1], 'wb').write(wav())")
    assert Chain.open(settings()).name == "flite"
    program("espeak-ng", "sys.stdout.buffer.write(wav())")
    assert Chain.open(settings()).name == "espeak-ng"
    assert open_voice(settings(engine="none")) is None
    assert Chain.open(settings(engine="flite")).name == "flite"


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_that_is_not_there_says_what_to_do(name: str, settings: Callable[..., Settings], program: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otto.tts.piper.find_spec", lambda name: None)
    with pytest.raises(ModelError) as raised:
        open_voice(settings(engine=name))
    assert raised.value.mend.startswith(("install it with: ", "choose another voice: otto config set voice.engine NAME"))


def test_a_voice_that_flite_lacks_is_refused(settings: Callable[..., Settings]) -> None:
    needs("flite")
    assert Flite.open(settings(engine="flite", name="rms")).synthesize("Hello.").seconds > 0.2
    with pytest.raises(ModelError, match=r"Flite has no voice nobody; choose one of .*slt.*: otto config set voice\.name NAME"):
        Flite.open(settings(engine="flite", name="nobody"))


def test_a_voice_that_espeak_lacks_fails_and_the_next_engine_speaks(settings: Callable[..., Settings]) -> None:
    needs("espeak-ng")
    needs("flite")
    with pytest.raises(AudioError, match=r"The voice espeak-ng failed \(.*voice does not exist.*\); choose another voice"):
        Espeak.open(settings(engine="espeak-ng", name="nobody")).synthesize(SENTENCE)
    assert Chain.open(settings(engine="espeak-ng", name="nobody")).synthesize(SENTENCE).rate == 16_000  # flite's


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import time; time.sleep(600)", "The voice espeak-ng did not answer within 0.5 seconds; choose another voice: otto config set voice.engine NAME."),
        ("sys.exit('no sound card')", "The voice espeak-ng failed (no sound card); choose another voice: otto config set voice.engine NAME."),
        ("", "The voice espeak-ng gave no sound; choose another voice: otto config set voice.engine NAME."),
        ("print('not a WAV file')", "The voice espeak-ng gave no sound; choose another voice: otto config set voice.engine NAME."),
        ("sys.stdout.buffer.write(wav(b''))", "The voice espeak-ng gave no sound; choose another voice: otto config set voice.engine NAME."),
        ("import os; os.kill(os.getpid(), 9)", "The voice espeak-ng failed (-9); choose another voice: otto config set voice.engine NAME."),
    ],
)
def test_a_program_that_fails(code: str, sentence: str, program: Programs) -> None:
    engine = Espeak(str(program("espeak-ng", code)))
    engine.deadline = 0.5 if "sleep" in code else 30.0
    with pytest.raises(AudioError) as raised:
        engine.synthesize(SENTENCE)
    assert str(raised.value) == sentence


def test_a_program_that_vanished(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"The voice flite cannot be started \(No such file or directory\)"):
        Flite(str(tmp_path / "flite")).synthesize(SENTENCE)


def test_an_engine_that_failed_goes_to_the_end_of_the_line() -> None:
    class Engine:
        def __init__(self, name: str, works: bool) -> None:
            self.name, self.works, self.asked = name, works, 0

        @classmethod
        def open(cls, settings: Settings) -> Engine:
            raise NotImplementedError

        def synthesize(self, sentence: str) -> Sound:
            self.asked += 1
            if not self.works:
                raise AudioError(f"{self.name} hangs")
            return Sound(np.ones(10, np.int16), 8_000)

        def cancel(self) -> None:
            pass

    hangs, works = Engine("hangs", False), Engine("works", True)
    chain = Chain([hangs, works])
    assert [chain.synthesize("a").rate, chain.synthesize("b").rate] == [8_000, 8_000]
    assert (hangs.asked, works.asked, chain.name) == (1, 2, "works")
    works.works = False
    with pytest.raises(AudioError, match="works hangs"):
        chain.synthesize("c")


def test_cancel_ends_the_program(program: Programs) -> None:
    engine = Espeak(str(program("espeak-ng", "import time; time.sleep(600)")))
    timer = threading.Timer(0.3, engine.cancel)
    timer.start()
    started = time.monotonic()
    with pytest.raises(AudioError):
        engine.synthesize(SENTENCE)
    assert time.monotonic() - started < engine.deadline
    timer.join()


def test_macos_say(settings: Callable[..., Settings], program: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    program("say", "assert sys.argv[1:-1] == ['-v', 'Samantha', '-r', '200', '-f', '-', '--file-format=WAVE', '--data-format=LEI16@22050', '-o'], sys.argv\nassert text == 'Grüße'.encode()\nopen(sys.argv[-1], 'wb').write(wav(rate=22050))")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert Say.open(settings(engine="say", name="Samantha", rate=200)).synthesize("Grüße").rate == 22_050


@pytest.mark.parametrize(("rate", "steps"), [(175, "0"), (450, "9"), (80, "-7")])
def test_windows_sapi(rate: int, steps: str, program: Programs) -> None:
    code = f"""
assert sys.argv[1:4] == ["-NoProfile", "-NonInteractive", "-Command"]
assert (os.environ["SPEECH_VOICE"], os.environ["SPEECH_RATE"]) == ("Zira'; exit", "{steps}")
assert "Zira" not in sys.argv[4] and text == "Grüße".encode()
open(os.environ["SPEECH_FILE"], "wb").write(wav())
"""
    engine = Sapi(str(program("powershell", code)), "Zira'; exit", rate)
    assert engine.synthesize("Grüße").samples.tolist() == [10_000] * 800


def test_piper(settings: Callable[..., Settings], program: Programs, tmp_path: Path) -> None:
    program("piper", "options = dict(zip(sys.argv[1::2], sys.argv[2::2]))\nassert options['--model'].endswith('en_US-amy.onnx') and options['--length_scale'] == '1.000'\nassert text == b'One line only.'\nopen(options['--output_file'], 'wb').write(wav(rate=22050))")
    folder = tmp_path / "models" / "piper"
    with pytest.raises(ModelError, match=rf"Piper has no voice; put its \.onnx and \.onnx\.json files into {folder}"):
        Piper.open(settings())
    folder.mkdir(parents=True)
    (folder / "en_US-amy.onnx").touch()
    with pytest.raises(ModelError, match=r"The piper voice en_US-amy lacks its description; put en_US-amy\.onnx\.json beside it"):
        Piper.open(settings())
    (folder / "en_US-amy.onnx.json").touch()
    assert Piper.open(settings()).synthesize("One line\nonly.").rate == 22_050
    with pytest.raises(ModelError, match="Piper has no voice bob"):
        Piper.open(settings(engine="piper", name="bob"))


def test_wav_of_two_channels_is_mixed_and_of_other_widths_refused(tmp_path: Path) -> None:
    import io
    import wave

    def made(channels: int, width: int) -> bytes:
        with io.BytesIO() as data:
            with wave.open(data, "wb") as file:
                file.setnchannels(channels)
                file.setsampwidth(width)
                file.setframerate(8_000)
                file.writeframes(np.array([100, 300, -50, 50], "<i2").tobytes())
            return data.getvalue()

    assert read_wav(made(2, 2)).samples.tolist() == [200, 0]
    with pytest.raises(ValueError, match="not 16 bit"):
        read_wav(made(1, 1))
