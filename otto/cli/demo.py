"""`otto demo`: the whole chain on recorded commands."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.talk import RouterName, SttName

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.demo import Outcome

LIMITED = "closed-phrase"  # the speech engine that knows phrases only
REMOTE = ("openai",)  # routers that send the text to a server


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
        router_name = assistant.router.name
    if not json:
        _show_verdict(outcomes, time.perf_counter() - started)
        _show_engines(outcomes, router_name)
        _show_next_steps(settings, limited=_speech_engines(outcomes) == [LIMITED])
    raise typer.Exit(EXIT_FAILED if not outcomes or any(outcome.problem for outcome in outcomes) else EXIT_DONE)


def _show(number: int, outcome: Outcome) -> None:
    from otto.cli.output import labelled, out, show_heard

    recording = outcome.recording
    labelled(f"{number:2}. said    ", f'"{recording.text}"')
    show_heard(outcome.turn, indent=4)
    if outcome.problem:
        out(f"    WRONG   {outcome.problem}", "bad")
    out("")


def _show_verdict(outcomes: list[Outcome], seconds: float) -> None:
    from otto.cli.output import out

    right = [outcome for outcome in outcomes if not outcome.problem]
    stray = [outcome for outcome in right if outcome.recording.call.name == "other"]
    out(
        f"{len(right)} of {len(outcomes)} as expected, {len(stray)} of them stray talk left alone, in {seconds:.1f} s.",
        "good" if len(right) == len(outcomes) else "bad",
    )


def _show_engines(outcomes: list[Outcome], router: str) -> None:
    from otto.cli.output import labelled, out

    speech = _speech_engines(outcomes)
    limits = " (limited mode: only phrases that the skills know)" if speech == [LIMITED] else ""
    labelled("speech to text  ", f"{', '.join(speech)}{limits}")
    answered = ", ".join(sorted({outcome.turn.route.engine for outcome in outcomes if outcome.turn.route}))
    labelled("router          ", router if answered in ("", router) else f"{router} (what answered: {answered})")
    voices = dict.fromkeys(outcome.recording.voice for outcome in outcomes)
    labelled("voices          ", f"synthetic: {', '.join(voices)}", "dim")
    sent = "" if router in REMOTE else "Nothing was sent anywhere, and your"
    out(f"{sent or 'Your'} own notes and timers are as they were.\n", "dim")


def _show_next_steps(settings: Settings, limited: bool) -> None:
    from otto.cli.output import out

    otto = _program()
    rows = [
        (f'{otto} say "what time is it in Tokyo"', "type a command"),
        (f"{otto} listen", "speak one"),
        (f"{otto} models pull {settings.stt.model}", "understand free speech"),
        (f"{otto} skills list", "what it can do"),
        (f"{otto} skills new tea", "teach it something"),
        (f"{otto} doctor", "what is missing here"),
    ]
    out("Next:", "bold")
    for command, what in rows:
        if limited or "models pull" not in command:
            out(f"  {command:<48}{what}")


def _speech_engines(outcomes: list[Outcome]) -> list[str]:
    return sorted({outcome.turn.heard.engine for outcome in outcomes})


def _program() -> str:
    """How the user can start Otto from here: by its name, or by the path in a virtual environment that is not active."""
    if shutil.which("otto") or not Path(sys.argv[0]).is_file() or Path(sys.argv[0]).stem != "otto":
        return "otto"
    return os.path.relpath(sys.argv[0])
