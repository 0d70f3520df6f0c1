"""`otto say` and `otto hear`: a typed or a recorded command, done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from otto.assistant import Assistant
    from otto.audio.vad import Endpointer
    from otto.errors import AudioError
    from otto.messages import AudioFrame, Turn, Utterance

DryRun = Annotated[bool, typer.Option("--dry-run", help="Stop before the skill; nothing is kept.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a command.")]
RouterName = Annotated[str | None, typer.Option(metavar="NAME", help="Another router than the settings name.")]
SttName = Annotated[str | None, typer.Option(metavar="NAME", help="Another speech engine than the settings name.")]
MAX_MINUTES = 10  # of one file; a longer one is a recording of something else, and no command in it was meant for Otto


def say(
    words: Annotated[list[str], typer.Argument(metavar="TEXT", help="What you would say.", show_default=False)],
    dry_run: DryRun = False,
    json: Json = False,
    speak: Annotated[bool, typer.Option("--speak", help="Speak the answer, too.")] = False,
    router: RouterName = None,
) -> None:
    """Do a typed command.

    Exit codes: 0 done, 1 failed, 3 nothing to do: no skill fits.
    """
    from contextlib import ExitStack

    from otto.cli.host import opened, speaking
    from otto.cli.output import emit, exit_code, show_said, turn_json

    with ExitStack() as stack:
        voice = stack.enter_context(speaking()) if speak else None
        assistant = stack.enter_context(opened(router=router, json=json, dry_run=dry_run, aloud=voice.say if voice else None))
        turn = assistant.say(" ".join(words), dry_run)
        if json:
            emit(turn_json(turn))
        else:
            show_said(turn, dry_run)
            hint_at_nothing(turn)
            hint_at_announcement(assistant, turn)
        if voice:
            voice.say(" ".join(result.speech for result in turn.results if not result.said))
    raise typer.Exit(exit_code([turn], dry_run))


def hear(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Sound files: WAV, FLAC, MP3, OGG, ….", show_default=False)
    ],
    stt: SttName = None,
    dry_run: DryRun = False,
    json: Json = False,
    router: RouterName = None,
) -> None:
    """Do the commands in sound files, each pause ending one.

    Exit codes: 0 done, 1 failed, 3 nothing to do: no speech, or none that a skill fits.
    """
    from otto.cli.host import opened
    from otto.cli.output import exit_code, note
    from otto.errors import EXIT_FAILED, AudioError

    turns: list[Turn] = []
    sounds = _sounds(files)
    failed = len(sounds) < len(files)
    if sounds:
        with opened(router=router, stt=stt, speech=True, json=json, dry_run=dry_run) as assistant:
            for file in sounds:
                try:
                    turns += _hear_file(file, assistant, dry_run, json)
                except AudioError as error:  # it is damaged in the middle; the other files can be heard all the same
                    failed = True
                    note(str(error), "bad")
    raise typer.Exit(EXIT_FAILED if failed else exit_code(turns, dry_run))


def _sounds(files: list[Path]) -> list[Path]:
    """The files that can be heard; a sentence is printed for each that cannot, before an engine is loaded for nothing."""
    from otto.cli.output import note
    from otto.errors import AudioError

    found = []
    for file in files:
        try:
            _check_sound(file)
            found.append(file)
        except AudioError as error:
            note(str(error), "bad")
    return found


def _hear_file(file: Path, assistant: Assistant, dry_run: bool, json: bool) -> list[Turn]:
    from otto.cli.output import emit, heard_json, note, out, show_heard

    turns = []
    for utterance in _utterances(file, assistant):
        turn = assistant.hear(utterance, dry_run)
        turns.append(turn)
        if json:
            place = {"file": str(file), "start": round(utterance.start, 3), "seconds": round(utterance.seconds, 3)}
            emit({**heard_json(turn), **place})
        else:
            out(f"{file}  {utterance.start:.1f} to {utterance.start + utterance.seconds:.1f} s", "dim")
            show_heard(turn)
            hint_at_announcement(assistant, turn)
    if not turns:
        note(f"There is no speech in {file}; listen to it, and record it louder or closer.", "bad")
    return turns


def endpointer(assistant: Assistant) -> Endpointer:
    """The end-pointer with the pause that the settings name."""
    from otto.audio.vad import Endpointer

    return Endpointer(trailing_silence=assistant.settings.audio.silence_ms / 1000)


def hint_at_nothing(turn: Turn) -> None:
    """Tell who got `other()` what that means."""
    from otto.cli.output import note

    if turn.route and not turn.route.acts:
        note("Nothing was done: no skill fits. `otto skills list` shows what there is.")


def hint_at_announcement(assistant: Assistant, turn: Turn) -> None:
    """Tell who set a timer in a one-shot command when it will be heard of."""
    from contextlib import suppress

    from otto import scheduler
    from otto.cli.output import note
    from otto.errors import StoreError

    names = [result.call.name for result in turn.results if result.ok]
    with suppress(StoreError):  # which is told of where it matters
        if any(scheduler.pending(assistant.dispatcher.database, name) for name in names):
            note("It is announced while `otto listen` runs, else with the next command.")


def _check_sound(file: Path) -> None:
    """Raises AudioError where the file is no sound, or says that it is too long."""
    import av

    from otto.audio.file import read_audio

    next(read_audio(file))
    with av.open(str(file), metadata_errors="ignore") as container:
        if (container.duration or 0) / av.time_base > MAX_MINUTES * 60:
            raise _too_long(file)


def _utterances(file: Path, assistant: Assistant) -> Iterator[Utterance]:
    from otto.audio.file import read_audio
    from otto.audio.vad import utterances

    yield from utterances(_limited(read_audio(file), file), endpointer(assistant))


def _limited(frames: Iterable[AudioFrame], file: Path) -> Iterator[AudioFrame]:
    """Not every file says how long it is."""
    for frame in frames:
        if frame.start > MAX_MINUTES * 60:
            raise _too_long(file)
        yield frame


def _too_long(file: Path) -> AudioError:
    from otto.errors import AudioError

    return AudioError(
        f"{file} is longer than {MAX_MINUTES} minutes, and a command takes seconds",
        "cut out the part with the commands",
    )
