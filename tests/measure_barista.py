"""Measures the closed-phrase engine on 373 human recordings of coffee orders: `python -m tests.measure_barista SHARED_DATA [desk|barista]`.

`desk`: with the bundled skills, how many recordings start a skill (none should). `barista`: with the coffee plugin of tests/plugins, how
many whole commands are right, a refusal counting as wrong. The threshold was tuned on half of the speakers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer

from finetune.embedded.score import Share
from otto.audio.file import read_audio
from otto.audio.vad import utterances
from otto.call import Call
from otto.config import load_settings
from otto.messages import Transcript
from otto.registry import Registry
from otto.router.phrases import PhraseRouter
from otto.stt import open_engine

PLUGIN = Path(__file__).parent / "plugins" / "barista"


def heard_calls(registry: Registry, rows: list[dict[str, object]], folder: Path) -> list[list[Call]]:
    """For each recording the calls that would run, `other()` left out."""
    registry.install()
    engine = open_engine("closed-phrase", registry, load_settings())
    router = PhraseRouter(registry)
    found = []
    for row in rows:
        heard = [engine.transcribe(utterance) for utterance in utterances(read_audio(folder / str(row["audio"])))]
        routes = [router.route(item.text) for item in heard if isinstance(item, Transcript)]
        found.append([call for route in routes if route.acts for call in route.calls])
    return found


def main(data: Path, part: str) -> None:
    folder = data / "speech" / "barista"
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    registry = Registry.load(entry_points=False) if part == "desk" else Registry.from_folder(PLUGIN)
    calls = heard_calls(registry, rows, folder)
    if part == "desk":
        typer.echo(f"started a skill: {_told([bool(item) for item in calls])}")
        return
    spec = registry.get("orderDrink")
    right = [item == [spec.canonical(Call("orderDrink", row["call"]["arguments"]))] for item, row in zip(calls, rows, strict=True)]
    refused = [not item for item in calls]
    typer.echo(f"whole commands right: {_told(right)}")
    typer.echo(f"refused: {_told(refused)}")


def _told(found: list[bool]) -> str:
    share = Share(sum(found), len(found))
    low, high = share.interval
    return f"{share.count} of {share.n} = {share.value:.1%} (95 % interval {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "desk")
