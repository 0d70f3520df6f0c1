"""`otto listen`: commands from the microphone, all day."""

from __future__ import annotations

import atexit
import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from otto.cli.talk import DryRun, Json, RouterName, SttName

if TYPE_CHECKING:
    from otto.assistant import Assistant
    from otto.audio.lasting import LastingMicrophone
    from otto.audio.wakeword import WakeWords
    from otto.config import Settings
    from otto.listening.events import View
    from otto.listening.hearing import Hearing
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
    from otto.audio.echo import EchoCanceller
    from otto.audio.speaker import Speaker
    from otto.cli.host import announcing, opened
    from otto.config import load_settings
    from otto.listening.conversation import Conversation, VoiceHost
    from otto.listening.events import OneAtATime
    from otto.listening.listener import Ears, Listener, Mode
    from otto.reply import Voice
    from otto.tts import open_voice

    atexit.register(gc.freeze)  # to look once more for garbage among all that was loaded took half a second after Ctrl-C
    settings = load_settings()
    mode = _mode(settings, wake, push, continuous)
    wake_words = _wake_words(settings) if mode is Mode.WAKE else None
    _check_microphone(settings)
    host = VoiceHost()
    with ExitStack() as stack:
        assistant = stack.enter_context(opened(router=router, stt=stt, speech=True, json=json, dry_run=dry_run, host=host))
        view = OneAtATime(stack.enter_context(_view(plain, json)))
        speaker = stack.enter_context(Speaker(settings.audio.output))
        voice = stack.enter_context(Voice(None if silent else open_voice(settings), speaker, lambda sentence: conversation.warn(sentence)))
        overheard = mode is Mode.CONTINUOUS
        missed: Callable[[], None] = lambda: listener.chime("error")  # noqa: E731  the listener is made below
        conversation = Conversation(assistant, voice, view.show, dry_run=dry_run, overheard=overheard, missed=missed)
        stack.callback(conversation.close)
        host.conversation = conversation
        microphones = _Microphones(settings, conversation.warn, lambda: listener.wait())
        ears = Ears(_hearing(assistant), wake_words, EchoCanceller(speaker.reference), lambda: microphones.overflows)
        stack.callback(ears.hearing.close)
        ring = _ringing(settings, voice, silent or json)
        listener = Listener(ears, conversation, voice, view, mode, ring, settings.listen.sleep_minutes * 60)
        if not dry_run:
            stack.enter_context(announcing(assistant, conversation.announce, conversation.warn))
        if not json:
            _tell_how(mode, settings)
        stack.enter_context(_keys(listener, settings, mode is Mode.PUSH, conversation.warn))
        listener.run(microphones.open)


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


class _Microphones:
    """The microphone, opened as often as it is wanted, and how often sound was lost in all."""

    def __init__(self, settings: Settings, warn: Callable[[str], None], waiting: Callable[[], None]) -> None:
        self._device = settings.audio.input
        self._warn = warn
        self._waiting = waiting
        self._closed = 0
        self._microphone: LastingMicrophone | None = None

    @property
    def overflows(self) -> int:
        return self._closed + (self._microphone.overflows if self._microphone else 0)

    @contextmanager
    def open(self) -> Iterator[Iterator[AudioFrame]]:
        from otto.audio.lasting import LastingMicrophone

        with LastingMicrophone(self._device, self._warn, self._waiting) as microphone:
            self._microphone = microphone
            try:
                yield iter(microphone)
            finally:
                self._closed, self._microphone = self.overflows, None


def _view(plain: bool, json: bool) -> AbstractContextManager[View]:
    from otto.cli.listen_views import JsonView, LiveView, PlainView

    if json:
        return JsonView()
    return LiveView() if sys.stdout.isatty() and not plain else PlainView()


def _hearing(assistant: Assistant) -> Hearing:
    from otto.listening.hearing import Hearing
    from otto.listening.patience import Patience
    from otto.phrases import PhraseBook

    book = PhraseBook.open(assistant.registry, assistant.settings.paths.cache)
    return Hearing(assistant, Patience(assistant.registry, book, assistant.settings.audio.silence_ms / 1000))


def _ringing(settings: Settings, voice: Voice, silent: bool) -> Callable[[str], float]:
    """Tells without a sentence what Otto does; gives the seconds of a chime."""
    from otto.audio.chime import chime

    def ring(name: str) -> float:
        if silent or settings.wake.reply == "none":
            return 0.0
        if name == "wake" and settings.wake.reply == "yes":
            voice.say("Yes?")
            return 0.0
        sound = chime(name)
        voice.play(sound)
        return len(sound.samples) / sound.rate + 0.3  # until it has left the loudspeaker

    return ring


@contextmanager
def _keys(listener: Listener, settings: Settings, ends: bool, warn: Callable[[str], None]) -> Iterator[None]:
    """Everything that opens Otto's ears beside its wake word: Enter, `otto press`, the hot key. What does not work is told of, and left out."""
    from otto.errors import OttoError
    from otto.hotkey import Doorbell, HotKey

    _read_keys(listener, ends)
    with ExitStack() as stack:
        watched: list[AbstractContextManager[object]] = [Doorbell(settings.paths.data, lambda: listener.press("otto press"))]
        if settings.listen.hot_key:
            watched.append(HotKey(settings.listen.hot_key, lambda: listener.press("the hot key")))
        for one in watched:
            try:
                stack.enter_context(one)
            except OttoError as error:
                warn(str(error))
        yield


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
