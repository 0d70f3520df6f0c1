"""`otto eval skill`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from eval.acceptance import Report
    from eval.statistics import Rate

FAILURES = 10  # that are shown
COLLISIONS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def skill(
        skill: Annotated[str, typer.Argument(metavar="NAME|PATH", help="An installed skill, or the file or folder of one.", show_default=False)],
        voices: Annotated[
            str, typer.Option(metavar="NAME,NAME", help="Voices or their programs; default: all on this machine.", show_default=False)
        ] = "",
        noise: Annotated[str, typer.Option(metavar="FILE", help="Noise to mix into what is spoken.", show_default=False)] = "",
        snr: Annotated[
            str, typer.Option(metavar="DB,DB", help="How loud: signal to noise in dB; clean is without.", show_default=False)
        ] = "",
        limit: Annotated[int, typer.Option(metavar="N", min=4, help="Spoken sentences; each is heard once a level of noise.")] = 40,
        seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
        router: Annotated[str, typer.Option(metavar="NAME", help="Default: that of the settings.", show_default=False)] = "",
        stt: Annotated[str, typer.Option(metavar="NAME", help="The speech engine; default: that of the settings.", show_default=False)] = "",
        min_acceptance: Annotated[
            float | None,
            typer.Option(min=0, max=1, metavar="SHARE", help="Exit code 1 below this share of right calls, spoken.", show_default=False),
        ] = None,
        min_typed: Annotated[float, typer.Option(min=0, max=1, metavar="SHARE", help="… of right calls, typed.")] = 0.9,
        max_false_acceptance: Annotated[
            float, typer.Option(min=0, max=1, metavar="SHARE", help="… above this share of others' sentences that it takes.")
        ] = 0.05,
        max_collisions: Annotated[
            int | None, typer.Option(min=0, metavar="N", help="… above this number of phrases that another skill takes too.", show_default=False)
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    ) -> None:
        """Check a skill: speak its examples, hear and route them beside all other skills, and find what it shares with them.

        Exit code 1: it is not good enough, or cannot be loaded. Exit code 2: there is no such skill, no voice, or the options do not fit.
        """
        from eval.acceptance import acceptance, false_acceptance
        from eval.display import progress_watcher
        from eval.noise import decibels
        from eval.plugin import Check, check_skill
        from otto.cli.output import emit, note
        from otto.config import load_settings
        from otto.errors import EXIT_DONE, EXIT_FAILED, UsageError

        if bool(noise) != bool(snr):
            raise UsageError("--noise and --snr go together", "write --noise FILE --snr clean,12")
        levels = decibels(snr) if snr else ()
        names = tuple(name.strip() for name in voices.split(",") if name.strip())
        check = Check(skill, names, noise, levels, limit, seed, router, stt)
        report = check_skill(check, load_settings(), progress_watcher())
        faults = [
            *_beyond("acceptance, spoken,", acceptance(report.spoken, report.names), least=min_acceptance),
            *_beyond("acceptance, typed,", acceptance(report.typed, report.names), least=min_typed),
            *_beyond("false acceptance", false_acceptance(report.rows, report.names), most=max_false_acceptance),
            *_too_many(len(report.collisions), max_collisions),
        ]
        if as_json:
            emit({**report.to_json(), "faults": faults})
        else:
            _show(report)
        for fault in faults:
            note(fault, "bad")
        raise typer.Exit(EXIT_FAILED if faults else EXIT_DONE)


def _beyond(words: str, found: Rate, least: float | None = None, most: float | None = None) -> list[str]:
    if found.value is None:
        return []
    if least is not None and found.value < least:
        return [f"The {words} is {found.value:.3f} of {found.n}, below {least:g}."]
    if most is not None and found.value > most:
        return [f"The {words} is {found.value:.3f} of {found.n}, above {most:g}."]
    return []


def _too_many(count: int, most: int | None) -> list[str]:
    return [f"Other skills take {count} of its phrases too, more than {most}."] if most is not None and count > most else []


def _show(report: Report) -> None:
    from otto.cli.output import add_row, new_table, out, show_table

    found = report.to_json()
    voices = "one voice" if len(report.voices) == 1 else f"{len(report.voices)} voices"
    out(f"{', '.join(report.names)}: {len(report.spoken)} sentences spoken by {voices}, {len(report.typed)} typed", "bold")
    table = new_table("", "right %", "95 %", "of", "refused", "wrong", "others: right", "taken", "of")
    parts = {"spoken": found["spoken"], **(_levels(found["by_snr"])), **found["by_voice"], "typed": found["typed"]}
    for name, figures in parts.items():
        own, other = figures["acceptance"], figures["false_acceptance"]
        interval = "" if own["value"] is None else f"{100 * own['low']:.0f} to {100 * own['high']:.0f}"
        cells = [_share(own), interval, str(own["n"]), _share(figures["refused"]), _share(figures["wrong"])]
        cells += [_share(figures["others_accepted"]), _share(other), str(other["n"])]
        add_row(table, name, *cells, style="" if name in ("spoken", "typed") else "dim")
    show_table(table)
    _show_failures(found["failures"])
    _show_collisions(found["collisions"])


def _levels(by_snr: Mapping[str, Any]) -> dict[str, Any]:
    """By level of noise, where there is more than one."""
    return {level if level == "clean" else f"{level} dB": figures for level, figures in by_snr.items()} if len(by_snr) > 1 else {}


def _show_failures(failures: list[dict[str, Any]]) -> None:
    from otto.cli.output import out

    for item in failures[:FAILURES]:
        by = ", ".join(filter(None, (item["voice"] or "typed", None if item["snr"] is None else f"{item['snr']:g} dB")))
        heard = "" if item["heard"] is None else f', heard {item["heard"]!r}' if item["heard"] else ", not recognised"
        out(f'  "{item["text"]}" ({by}){heard}: {item["called"] or "no valid call"}, expected {item["expected"]}', "dim")
    if len(failures) > FAILURES:
        out(f"  … {len(failures)} failures in all; --json has them", "dim")


def _show_collisions(collisions: list[dict[str, Any]]) -> None:
    from otto.cli.output import out

    out(f"{len(collisions) or 'No'} phrase{'s' * (len(collisions) != 1)} that another skill takes too", "bold" if collisions else "")
    for item in collisions[:COLLISIONS]:
        taken = f"goes to {item['taken']}" if item["taken"] else "goes to neither"
        out(f'  "{item["text"]}": {item["call"]} or {item["other"]}; {taken}', "dim")
    if len(collisions) > COLLISIONS:
        out(f"  … {len(collisions)} in all; --json has them", "dim")


def _share(rate: Mapping[str, Any]) -> str:
    return "-" if rate["value"] is None else f"{100 * rate['value']:.1f}"
