"""`otto say --speak` and what `otto doctor` says of the voice."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from terminal import Otto

from tests.sound import SoundServer


@pytest.mark.usefixtures("table")
def test_the_answer_is_printed_and_spoken(otto: Otto, sound_server: SoundServer) -> None:
    if shutil.which("espeak-ng") is None and shutil.which("flite") is None:
        pytest.skip("neither espeak-ng nor flite is installed")
    sound_server.record_loudspeaker()
    ran = otto("say", "--speak", "take a note buy milk")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[-1] == "Noted: buy milk"
    assert np.count_nonzero(np.abs(sound_server.recorded_from_loudspeaker().astype(int)) > 500) > 1_000


@pytest.mark.usefixtures("table")
def test_without_a_voice_it_is_printed(otto: Otto, sound_server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    ran = otto("say", "--speak", "take a note buy milk")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "Noted: buy milk"
    assert ran.err == "There is no voice to speak the replies with; install one with: apt install espeak-ng (on a Mac: brew install espeak-ng).\n"


@pytest.mark.usefixtures("table")
def test_a_dry_run_says_nothing(otto: Otto, sound_server: SoundServer) -> None:
    sound_server.record_loudspeaker()
    assert otto("say", "--speak", "--dry-run", "take a note buy milk").code == 0
    assert not sound_server.recorded_from_loudspeaker().any()


@pytest.mark.parametrize(
    ("engine", "state", "detail"),
    [("none", "off", "replies are not spoken"), ("auto", "off", "There is no voice to speak the replies with"), ("flite", "fault", "The voice flite is not installed")],
)
def test_doctor_says_why_nothing_is_spoken(otto: Otto, monkeypatch: pytest.MonkeyPatch, engine: str, state: str, detail: str) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("OTTO_VOICE_ENGINE", engine)
    (check,) = [row for row in map(json.loads, otto("doctor", "--json").out.splitlines()) if row["area"] == "voice"]
    assert (check["state"], check["detail"]) == (state, detail)
    assert check["mend"]
