"""`otto demo`: the whole chain on recorded commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.talk import RouterName, SttName

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.demo import Outcome


def demo(
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a recording.")] = False,
    router: RouterName = None,
    stt: SttName = None,
) -> None:
    """Do recorded commands, which leave no trace in your data.

    Exit code 1 where one did not end as expected.
    """
    from otto.cli.output import emit, heard_json, note
    from otto.config import load_settings
    from otto.demo import as_json, opened, play
    from otto.errors import EXIT_DONE, EXIT_FAILED

    settings = load_settings()
    started = time.perf_counter()
    outcomes = []
    if not json:
        note("Getting ready …")
    with opened(settings, router, stt) as assistant:
        for number, outcome in enumerate(play(assistant), 1):
            outcomes.append(outcome)
            if json:
                emit({**as_json(outcome), **heard_json(outcome.turn)})
            else:
                _show(number, outcome)
    if not json:
        _sum_up(outcomes, settings, time.perf_counter() - started)
    raise typer.Exit(EXIT_FAILED if not outcomes or any(outcome.problem for outcome in outcomes) else EXIT_DONE)


def _show(number: int, outcome: Outcome) -> None:
    from otto.cli.output import labelled, out, show_heard

    recording = outcome.recording
    labelled(f"{number:2}. said    ", f'"{recording.text}"')
    show_heard(outcome.turn, indent=4)
    if outcome.problem:
        out(f"    WRONG   {outcome.problem}", "bad")
    out("")


def _sum_up(outcomes: list[Outcome], settings: Settings, seconds: float) -> None:
    from otto.cli.output import labelled, out

    right = [outcome for outcome in outcomes if not outcome.problem]
    stray = [outcome for outcome in right if outcome.recording.call.name == "other"]
    out(
        f"{len(right)} of {len(outcomes)} as expected, {len(stray)} of them stray talk left alone, in {seconds:.1f} s.",
        "good" if len(right) == len(outcomes) else "bad",
    )
    speech = {outcome.turn.heard.engine for outcome in outcomes}
    limited = "closed-phrase" in speech
    routers = {outcome.turn.route.engine for outcome in outcomes if outcome.turn.route}
    limits = " (limited mode: only phrases that the skills know)" if limited else ""
    labelled("speech to text  ", f"{', '.join(sorted(speech))}{limits}")
    labelled("router          ", ", ".join(sorted(routers)))
    voices = dict.fromkeys(outcome.recording.voice for outcome in outcomes)
    labelled("voices          ", f"synthetic: {', '.join(voices)}", "dim")
    out("Nothing was sent anywhere, and your own notes and timers are as they were.\n", "dim")
    out("Next:", "bold")
    rows = [
        ('otto say "what time is it in Tokyo"', "type a command"),
        ("otto listen", "speak one"),
        ("otto skills list", "what it can do"),
        ("otto skills new tea", "teach it something"),
        ("otto doctor", "what is missing here"),
    ]
    if limited:
        rows.insert(2, (f"otto models pull {settings.stt.model}", "understand free speech"))
    for command, what in rows:
        out(f"  {command:<38}{what}")
