"""`otto listen`: commands from the microphone, all day."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.talk import DryRun, Json, RouterName, SttName

if TYPE_CHECKING:
    from otto.assistant import Assistant
    from otto.audio.wakeword import WakeWords
    from otto.cli.listen_views import JsonView, LiveView, PlainView
    from otto.config import Settings
    from otto.listening.conversation import Conversation
    from otto.listening.events import View
    from otto.listening.listener import Listener, Mode
    from otto.messages import AudioFrame
    from otto.reply import Voice


def listen(
    wake: Annotated[bool, typer.Option("--wake", help="Wait for the wake word; the default where it can be heard.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Open the microphone at Enter only.")] = False,
    continuous: Annotated[bool, typer.Option("--continuous", help="Take all that is said; a pause ends a command.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, for screen readers and logs.")] = False,
    silent: Annotated[bool, typer.Option("--silent", help="Do not speak the replies.")] = False,
    dry_run: DryRun = False,
    json: Json = False,
    router: RouterName = None,
    stt: SttName = None,
) -> None:
    """Do what is said into the microphone. Say the wake word, or press Enter, and speak. Ctrl-C ends it.

    While it runs, timers and alarms are announced when they are due. "Stop" ends a reply; "undo that", "repeat that" and
    "no, I said …" are about the last command; "go to sleep" and "wake up" do what they say.
    """
    from otto.cli.host import announcing, opened
    from otto.config import load_settings
    from otto.listening.conversation import Conversation, VoiceHost
    from otto.listening.events import OneAtATime
    from otto.listening.listener import Mode

    settings = load_settings()
    mode = _mode(settings, wake, push, continuous)
    wake_words = _wake_words(settings) if mode is Mode.WAKE else None
    _check_microphone(settings)
    host = VoiceHost()
    with ExitStack() as stack:
        assistant = stack.enter_context(opened(router=router, stt=stt, speech=True, json=json, dry_run=dry_run, host=host))
        view = OneAtATime(stack.enter_context(_view(plain, json)))
        voice = stack.enter_context(_voice(settings, silent, lambda sentence: conversation.warn(sentence)))
        conversation = Conversation(assistant, voice, view.show, dry_run=dry_run, overheard=mode is Mode.CONTINUOUS)
        stack.callback(conversation.close)
        host.conversation = conversation
        listener = _listener(assistant, conversation, voice, view, mode, wake_words)
        if not dry_run:
            stack.enter_context(announcing(assistant, conversation.announce, conversation.warn))
        if not json:
            _tell_how(mode, settings)
        _read_keys(listener, ends=mode is Mode.PUSH)
        listener.run(lambda: _frames(settings, conversation.warn))


def _mode(settings: Settings, wake: bool, push: bool, continuous: bool) -> Mode:
    from otto.errors import UsageError
    from otto.listening.listener import Mode

    wanted = [mode for mode, given in ((Mode.WAKE, wake), (Mode.PUSH, push), (Mode.CONTINUOUS, continuous)) if given]
    if len(wanted) > 1:
        raise UsageError("Only one of --wake, --push and --continuous can be", "leave the others out")
    return wanted[0] if wanted else Mode(settings.listen.mode)


def _check_microphone(settings: Settings) -> None:
    """One that does not work is told of now, before an engine is loaded for nothing."""
    from otto.audio.microphone import Microphone

    with Microphone(settings.audio.input):
        pass


def _wake_words(settings: Settings) -> WakeWords:
    from otto.audio.wakeword import WakeWords

    return WakeWords(settings.wake.words, settings.wake.sensitivity, settings.paths.models / "wake")


@contextmanager
def _frames(settings: Settings, warn: Callable[[str], None]) -> Iterator[Iterator[AudioFrame]]:
    from otto.audio.lasting import LastingMicrophone

    with LastingMicrophone(settings.audio.input, warn) as microphone:
        yield iter(microphone)


def _view(plain: bool, json: bool) -> LiveView | JsonView | PlainView:
    from otto.cli.listen_views import JsonView, LiveView, PlainView

    if json:
        return JsonView()
    return LiveView() if sys.stdout.isatty() and not plain else PlainView()


@contextmanager
def _voice(settings: Settings, silent: bool, warn: Callable[[str], None]) -> Iterator[Voice]:
    from otto.audio.speaker import Speaker
    from otto.reply import Voice
    from otto.tts import open_voice

    engine = None if silent else open_voice(settings)
    with Speaker(settings.audio.output) as speaker, Voice(engine, speaker, warn) as voice:
        yield voice


def _listener(
    assistant: Assistant, conversation: Conversation, voice: Voice, view: View, mode: Mode, wake: WakeWords | None
) -> Listener:
    from otto.listening.hearing import Hearing
    from otto.listening.listener import Ears, Listener
    from otto.listening.patience import Patience
    from otto.phrases import PhraseBook

    settings = assistant.settings
    book = PhraseBook.open(assistant.registry, settings.paths.cache)
    hearing = Hearing(assistant.understand, Patience(assistant.registry, book, settings.audio.silence_ms / 1000))
    return Listener(Ears(hearing, wake), conversation, voice, view, mode, _greeting(settings, voice), settings.listen.sleep_minutes * 60)


def _greeting(settings: Settings, voice: Voice) -> Callable[[], None]:
    return (lambda: voice.say("Yes?")) if settings.wake.reply == "yes" else (lambda: None)


def _tell_how(mode: Mode, settings: Settings) -> None:
    from otto.cli.output import note
    from otto.listening.listener import Mode

    words = " or ".join(f"“{word.replace('_', ' ')}”" for word in settings.wake.words)
    note(
        {
            Mode.WAKE: f"Say {words}, or press Enter, and speak; Ctrl-C ends it.",
            Mode.PUSH: "Press Enter and speak; Ctrl-C ends it.",
            Mode.CONTINUOUS: "Speak; Ctrl-C ends it.",
        }[mode]
    )


def _read_keys(listener: Listener, ends: bool) -> None:
    """Open Otto's ears at each Enter; the end of the input ends it where nothing else could open them."""
    import os

    def read() -> None:
        try:
            while keys := os.read(sys.stdin.fileno(), 1024):  # not sys.stdin: its lock would be held when Otto ends
                if b"\n" in keys:
                    listener.press("Enter")
        except (OSError, ValueError, AttributeError):  # there is no input
            pass
        if ends:
            listener.stop()

    threading.Thread(target=read, name="keys", daemon=True).start()
