"""Measures a speech engine on 373 human recordings of coffee orders: `python -m tests.measure_barista SHARED_DATA [desk|barista] [--stt moonshine] …`.

`desk`: with the bundled skills, how many recordings start a skill (none should). `barista`: with the coffee plugin of tests/plugins, how many
whole commands are right, a refusal counting as wrong. What Moonshine takes for a phrase was fitted on the speakers of `--speakers fitted`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eval.noise import active_part, decibels, excerpt, mix, read_noise, read_samples
from finetune.embedded.score import Share
from otto.audio.vad import utterances
from otto.call import Call
from otto.config import load_settings
from otto.messages import AudioFrame, Transcript
from otto.registry import Registry
from otto.router.phrases import PhraseRouter
from otto.stt import open_engine

if TYPE_CHECKING:
    from otto.messages import Samples

PLUGIN = Path(__file__).parent / "plugins" / "barista"
Row = dict[str, Any]


def rows_of(folder: Path, speakers: str) -> list[Row]:
    """The recordings of all speakers, of every other one in the order of their names ("fitted"), or of the rest ("left-out")."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    fitted = set(sorted({row["speaker_cluster"] for row in rows})[::2])
    return [row for row in rows if speakers == "all" or (row["speaker_cluster"] in fitted) == (speakers == "fitted")]


def heard_calls(registry: Registry, sounds: Iterator[Samples], stt: str) -> Iterator[list[Call]]:
    """For each recording the calls that would run, `other()` left out."""
    registry.install()
    engine = open_engine(stt, registry, load_settings())
    router = PhraseRouter(registry)
    for samples in sounds:
        heard = [engine.transcribe(utterance) for utterance in utterances([AudioFrame(samples, 0.0)])]
        routes = [router.route(item.text) for item in heard if isinstance(item, Transcript)]
        yield [call for route in routes if route.acts for call in route.calls]


def sounds_at(rows: Sequence[Row], data: Path, snr: float | None) -> Iterator[Samples]:
    """The recordings with noise of a kitchen at a ratio in dB, None for none; the same stretch of noise at each."""
    noise = read_noise(data / "speech" / "noise" / "kitchen.flac")
    for row in rows:
        clean = read_samples(data / "speech" / "barista" / str(row["audio"]))
        active = active_part(clean)
        yield clean if snr is None else mix(clean, excerpt(noise, active, f"0 {row['id']}"), active, snr).samples


def main(
    data: Path,
    part: Annotated[str, typer.Argument()] = "desk",
    stt: str = "closed-phrase",
    snr: str = "clean",
    speakers: str = "all",
) -> None:
    """Print the shares."""
    rows = rows_of(data / "speech" / "barista", speakers)
    registry = Registry.load(entry_points=False) if part == "desk" else Registry.from_folder(PLUGIN)
    for level in decibels(snr):
        calls = list(heard_calls(registry, sounds_at(rows, data, level), stt))
        typer.echo(f"{'clean' if level is None else f'{level:g} dB'}:")
        if part == "desk":
            typer.echo(f"  started a skill: {_told([bool(item) for item in calls])}")
            continue
        spec = registry.get("orderDrink")
        wanted = [spec.canonical(Call("orderDrink", row["call"]["arguments"])) for row in rows]
        typer.echo(f"  whole commands right: {_told([found == [want] for found, want in zip(calls, wanted, strict=True)])}")
        typer.echo(f"  every labelled value right: {_told([_holds(found, want) for found, want in zip(calls, wanted, strict=True)])}")
        typer.echo(f"  refused: {_told([not item for item in calls])}")


def _holds(found: list[Call], wanted: Call) -> bool:
    return len(found) == 1 and wanted.arguments.items() <= found[0].arguments.items()


def _told(found: list[bool]) -> str:
    share = Share(sum(found), len(found))
    low, high = share.interval
    return f"{share.count} of {share.n} = {share.value:.1%} (95 % interval {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    typer.run(main)
