"""`otto demo`: the recordings and their manifest, and the whole chain as it ships."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from terminal import PHRASES, Otto

from otto import Call
from otto.demo import FOLDER, MANIFEST, recordings
from otto.registry import Registry

ROWS = json.loads((FOLDER / MANIFEST).read_text(encoding="utf-8"))["recordings"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_each_recording_is_as_the_manifest_says(row: dict[str, object]) -> None:
    file = FOLDER / str(row["file"])
    assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
    with av.open(str(file)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("flac", row["rate"], 1)
        assert container.duration
        assert abs(container.duration / av.time_base - float(str(row["seconds"]))) < 0.02
    assert str(row["text"]) in str(row["command"])
    assert all(row[key] for key in ("voice", "engine", "licence"))


def test_the_recordings_are_many_small_and_of_several_voices() -> None:
    assert len(ROWS) >= 12
    assert len({row["voice"] for row in ROWS}) >= 4
    assert sum(row["call"] == "other()" for row in ROWS) >= 2
    assert {row["file"] for row in ROWS} == {file.name for file in FOLDER.glob("*.flac")}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_000_000


def test_each_call_is_one_of_a_bundled_skill() -> None:
    registry = Registry.load(entry_points=False)
    for recording in recordings():
        assert str(registry.get(recording.call.name).canonical(recording.call)) == str(recording.call)


def heard_right() -> list[str | None]:
    return [None if item.call == Call("other") else item.text for item in recordings()]


@pytest.fixture
def chain(table: None, hears: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Engines that hear every recording as it was said; some of the texts can be given."""

    def script(**instead: str | None) -> None:
        for item in recordings():
            monkeypatch.setitem(PHRASES, item.text.casefold(), str(item.call))
        texts = heard_right()
        for number, text in instead.items():
            texts[int(number.removeprefix("n"))] = text
        hears(*texts)

    return script


def test_all_is_well(otto: Otto, chain: Callable[..., None], home: Path) -> None:
    chain()
    ran = otto("demo")
    assert ran.code == 0, ran.out
    assert f"{len(ROWS)} of {len(ROWS)} as expected, 2 of them stray talk left alone" in ran.out
    assert ran.out.count("  call    other()") == 2
    assert "speech to text  scripted" in ran.out
    assert "router          table" in ran.out
    assert "otto say" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert not home.exists()  # the user's own data is not touched


def test_json(otto: Otto, chain: Callable[..., None]) -> None:
    chain()
    rows = [json.loads(line) for line in otto("demo", "--json").out.splitlines()]
    assert [row["said"] for row in rows] == [row["text"] for row in ROWS]
    assert all(row["as_expected"] for row in rows)
    assert {"heard", "calls", "timings", "voice", "expected"} <= set(rows[0])


@pytest.mark.parametrize("wrong", [None, "what a lovely day", "divide one by zero"])
def test_what_goes_wrong_is_shown_and_ends_with_1(otto: Otto, chain: Callable[..., None], wrong: str | None) -> None:
    chain(n0=wrong)
    ran = otto("demo")
    assert ran.code == 1
    assert f"    WRONG   {ROWS[0]['call']} was expected" in ran.out
    assert f"{len(ROWS) - 1} of {len(ROWS)} as expected" in ran.out


def test_stray_talk_that_starts_a_skill_is_wrong(otto: Otto, chain: Callable[..., None]) -> None:
    stray = next(number for number, row in enumerate(ROWS) if row["call"] == "other()")
    chain(**{f"n{stray}": "read my notes"})
    ran = otto("demo")
    assert ran.code == 1
    assert "    WRONG   other() was expected" in ran.out


def test_recordings_that_are_missing_are_one_sentence(otto: Otto, chain: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chain()
    monkeypatch.setattr("otto.demo.FOLDER", tmp_path)
    ran = otto("demo")
    assert ran.code == 1
    assert "The recordings of the demo cannot be read" in ran.err
    assert ran.err.rstrip().endswith("install otto-assistant anew.")


def test_the_shipped_engines_get_every_recording_right(otto: Otto) -> None:
    ran = otto("demo", "--stt", "closed-phrase")
    assert ran.code == 0, ran.out
