"""`otto eval bench`: the plan, the rows, and the page."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from eval import bench
from eval.bench import SUITES, Plan, RetrieverRouter, desk_files, run_bench
from eval.bench_page import written
from eval.measure import Watcher
from eval.reading import read_cases
from otto.cli import run_app
from otto.config import load_settings
from otto.errors import UsageError
from otto.parameters import Parameter
from otto.registry import Registry
from otto.skill import SkillSpec

SIGNATURES = {
    "source": "made",
    "skills": [
        {"name": "GetWeather", "description": "The weather.", "parameters": [{"name": "city", "type": "string", "description": "where"}]},
        {"name": "PlayMusic", "description": "Play music.", "parameters": [{"name": "artist", "type": "string", "description": "whose"}]},
    ],
}
CITIES = ("Rome", "Oslo", "Lima")
ARTISTS = ("Adele", "Abba", "Prince")


def row(number: int, text: str, name: str, parameter: str, value: str) -> dict[str, Any]:
    start = text.index(value)
    slot = {"name": parameter, "value": value, "start": start, "end": start + len(value)}
    return {"id": f"made-{number}", "text": text, "skill": {"name": name}, "call": {"name": name, "arguments": {parameter: value}}, "slots": [slot]}


def rows(weather: str, music: str, first: int) -> str:
    found = [row(first + number, weather.format(city), "GetWeather", "city", city) for number, city in enumerate(CITIES)]
    found += [row(first + 3 + number, music.format(artist), "PlayMusic", "artist", artist) for number, artist in enumerate(ARTISTS)]
    return "".join(json.dumps(item) + "\n" for item in found)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data with a SNIPS of six sentences, of which three are worded as in training."""
    folder = tmp_path / "data"
    (folder / "skills").mkdir(parents=True)
    (folder / "skills" / "snips.json").write_text(json.dumps(SIGNATURES), encoding="utf-8")
    (folder / "snips_train.jsonl").write_text(
        rows("how is the weather in {} today", "play something by {} now", 0) + rows("weather for {} please tell me", "put on {} for me", 6), encoding="utf-8"
    )
    (folder / "snips_test.jsonl").write_text(rows("how is the weather in {} today", "i fancy a bit of {} tonight", 100), encoding="utf-8")
    return folder


def plan(data: Path | None, runs: Path, **options: Any) -> Plan:
    given = {"suites": "snips", "engines": "phrases", "peers": "none", "limit": None, "seed": 0, **options}
    return Plan.of(data, given["suites"], given["engines"], given["peers"], given["limit"], given["seed"], runs)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"suites": "atis"}, "no suite atis"),
        ({"engines": "phrases,gpt"}, "no engine gpt"),
        ({"peers": "rhino"}, "no peer rhino"),
        ({"suites": "clinc"}, r"needs .*clinc_val.jsonl, which is not there"),
    ],
)
def test_a_plan_that_cannot_be(options: dict[str, str], what: str, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=what):
        plan(data, tmp_path, **options)


def test_without_data_there_is_the_desk_alone(tmp_path: Path) -> None:
    assert plan(None, tmp_path, suites="").suites == ("desk",)
    with pytest.raises(UsageError, match="--data DIR"):
        plan(None, tmp_path, suites="desk,snips")


def test_otto_and_peers_on_the_same_cases(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not importlib.util.find_spec("hassil"):
        pytest.skip("hassil is not installed")
    monkeypatch.setattr(bench, "peers_python", lambda settings: Path(sys.executable))
    notes: list[str] = []
    settings = load_settings(environ={"OTTO_HOME": str(tmp_path / "home")})
    asked = plan(data, tmp_path / "runs", peers="hassil-wildcards,home-assistant")
    report = run_bench(asked, settings, Watcher(note=notes.append))
    found = {item.engine: item for item in report.rows["snips"]}
    assert list(found) == ["phrases", "hassil-wildcards", "home-assistant"]
    # Three of six are worded as in training; a template engine has exactly these.
    for engine in ("phrases", "hassil-wildcards"):
        assert (found[engine].commands["exact_match"]["value"], found[engine].commands["exact_match"]["n"]) == (0.5, 6)
    assert found["home-assistant"].summary is None and "know none of these skills" in found["home-assistant"].missing
    assert "hassil" in report.versions
    ids = [[json.loads(line)["id"] for line in (tmp_path / "runs" / "snips" / engine / "results.jsonl").open()] for engine in ("phrases", "hassil-wildcards")]
    assert ids[0] == ids[1] == [f"made-{number}" for number in range(100, 106)]
    page = written(report)
    assert "| phrases | 50.0 (" in page
    assert "| joint BERT (Chen et al. 2019), published | 92.8 |" in page
    assert "- home-assistant is not in the table: its own sentences know none of these skills, and it learns no others." in page
    # The second time nothing is asked again, and no peer is started.
    monkeypatch.setattr(bench, "peers_python", lambda settings: tmp_path / "no" / "python")
    again = run_bench(asked, settings, Watcher())
    assert {item.engine: item.commands for item in again.rows["snips"]} == {name: item.commands for name, item in found.items()}
    assert again.versions["hassil"] == report.versions["hassil"]


def test_a_peer_that_is_not_installed_is_a_row_that_says_so(data: Path, tmp_path: Path) -> None:
    settings = load_settings(environ={"OTTO_HOME": str(tmp_path / "home")})
    report = run_bench(plan(data, tmp_path / "runs", engines="phrases", peers="adapt"), settings, Watcher())
    assert "- adapt is not in the table: The peers are not installed" in written(report)
    assert [item.summary is None for item in report.rows["snips"]] == [False, True]


def test_peers_are_not_asked_about_skills_without_sentences() -> None:
    assert "made from sentences" in bench._inexpressible(SUITES["candidates"], "adapt")
    assert bench._inexpressible(SUITES["candidates"], "llama") == ""
    assert bench._inexpressible(SUITES["desk"], "home-assistant") == ""


def test_the_desk_is_read_whole_and_home_assistant_gets_what_it_can_express(tmp_path: Path) -> None:
    registry = Registry.load(entry_points=False)
    read = read_cases(desk_files(), registry)
    assert read.problems == [] and len(read.cases) > 500
    path = bench._expressible(desk_files(), tmp_path)
    kept = read_cases([str(path)], registry)
    assert kept.problems == []
    assert {case.gold[0][0].name for case in kept.cases} == {"timer", "timers", "volume", "media", "timecheck", "date", "weather", "other"}
    assert not any(case.gold[0][0].name in ("timecheck", "date", "weather") and case.gold[0][0].arguments for case in kept.cases)
    assert sum(case.stray for case in kept.cases) == sum(case.stray for case in read.cases)


def test_the_retriever_names_the_nearest_skill() -> None:
    skills = [SkillSpec("BookFlight", "Book a flight to a city.", (Parameter("city", plain=str),)), SkillSpec("PlayMusic", "Play a song or an album.")]
    router = RetrieverRouter(Registry.of(skills))
    assert [str(router.route(text).calls[0]) for text in ("play me some jazz music", "i need a plane ticket to Oslo")] == ["PlayMusic()", "BookFlight()"]
    router.update(Registry.of(skills[1:]))
    assert str(router.route("i need a plane ticket to Oslo").calls[0]) == "PlayMusic()"


def test_the_command(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from eval.cli import app

    monkeypatch.setenv("OTTO_HOME", str(tmp_path / "home"))
    page = tmp_path / "page.md"
    options = ["--data", str(data), "--suites", "snips", "--engines", "phrases", "--peers", "none", "--limit", "4", "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["otto eval", "bench", *options, "--out", str(page), "--json"])
    assert run_app(app, "otto eval") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["suites"]["snips"][0]["summary"]["n"] == 4
    assert "a sample, not to quote" in page.read_text("utf-8")
    monkeypatch.setattr(sys, "argv", ["otto eval", "bench", "--suites", "atis"])
    assert run_app(app, "otto eval") == 2
    assert "There is no suite atis" in capsys.readouterr().err
