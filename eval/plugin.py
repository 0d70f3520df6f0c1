"""A skill's own check: its examples spoken by synthetic voices, heard, and routed with all other skills installed.

Three things are asked of a skill: that what is said to it is accepted (the whole call right), that it leaves alone what is said to other skills and
to nobody, and that no phrase of it is another skill's too.
"""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from eval.acceptance import SPOKEN, TYPED, Report
from eval.cases import Case
from eval.collisions import find_collisions
from eval.journal import Journal
from eval.measure import Watcher
from eval.runner import Ear, Runner
from eval.skillset import Skillset
from eval.voices import Voice, chosen_voices
from otto.call import Call
from otto.config import Settings
from otto.errors import Problems, UsageError
from otto.phrases import Phrase, PhraseBook
from otto.registry import Registry
from otto.skill import OTHER, SkillSpec
from otto.words import normal_text

LIMIT = 40  # spoken sentences; closed-phrase mode needs about 0.3 s of processor time for a second of speech
OTHERS = 4  # of so many spoken sentences, one is of another skill or of nobody
TYPED_OWN, TYPED_OTHERS = 100, 200  # sentences that are routed as text


@dataclass(frozen=True)
class Check:
    """What is checked."""

    skill: str  # the name of an installed skill, or the path of its file or folder
    voices: tuple[str, ...] = ()  # none is all
    noise: str = ""
    snr: tuple[float | None, ...] = ()  # dB; None is without noise
    limit: int = LIMIT  # spoken sentences; each is heard once a level of noise
    seed: int = 0
    router: str = ""  # "" is the settings' own, as for stt
    stt: str = ""


def check_skill(check: Check, settings: Settings, watcher: Watcher | None = None) -> Report:
    """Speak, hear and route the examples of a skill.

    Raises:
        UsageError: there is no such skill, voice or engine, or the skill has no examples.
        Problems: the skill cannot be loaded.
        OttoError: an engine cannot work.
    """
    from otto.router import open_router

    watcher = watcher or Watcher()
    voices = chosen_voices(check.voices)
    registry, names = load_plugin(check.skill, settings)
    registry.install()
    book = PhraseBook.open(registry, settings.paths.cache)
    with tempfile.TemporaryDirectory(prefix="otto-voices-") as folder:
        cases = [*_typed(registry, book, names, check.seed), *_spoken(registry, book, names, voices, check, Path(folder))]
        if check.noise:
            cases = _noisy(cases, check)
        ear = _open_ear(check, registry, settings)
        with closing(Journal(Path(folder))) as journal:
            name = check.router or settings.router.engine
            runner = Runner(lambda: open_router(name, registry, settings), Skillset(registry), journal, ear=ear)
            watcher.start(len(cases), [])
            try:
                stopped = runner.run(cases, watcher.row)
            finally:
                watcher.end()
            if stopped:
                raise stopped
            rows = journal.rows
    collisions = find_collisions(registry, names, settings.paths.cache, seed=check.seed)
    return Report(tuple(names), tuple(map(str, voices)), rows, collisions)


def load_plugin(skill: str, settings: Settings) -> tuple[Registry, list[str]]:
    """All installed skills with those that are checked, and these ones' names.

    A name is an installed skill's. What has a slash, ends in `.py` or is no skill's name is a path; its skills take the place of installed ones of
    the same name, as an older version of themselves, but not of bundled ones.

    Raises:
        UsageError: there is neither, or it has the name of a bundled one.
        Problems: the skill cannot be loaded.
    """
    installed = Registry.load(settings.paths.skills)
    path = Path(skill).expanduser()
    if skill in installed.specs:
        return installed, [skill]
    if not path.exists():
        from difflib import get_close_matches

        close = get_close_matches(skill, installed.specs, n=1)
        raise UsageError(f"There is no skill {skill}, and no such file", f"did you mean {close[0]}?" if close else "see `otto skills list`")
    own = _load_path(path)
    for spec in own:
        _require_own_name(spec, installed, path)
    others = [spec for spec in installed if spec.name not in own.specs]
    return Registry.of([*others, *own]), [name for name in own.specs if name != OTHER]


def _load_path(path: Path) -> Registry:
    from otto.check import skills_of_file

    own = Registry.from_folder(path) if path.is_dir() else skills_of_file(path)
    if own.problems:
        raise Problems(f"{path} cannot be loaded", own.problems)
    if not own.specs:
        raise UsageError(f"There is no skill in {path}", "give a skill's .py file, or the folder that holds it")
    return own


def _require_own_name(spec: SkillSpec, installed: Registry, path: Path) -> None:
    from otto.paths import room

    other = installed.specs.get(spec.name)
    file = other.file if other else None
    if file and file.parent == room("skills") and file not in (path.resolve(), path.resolve() / file.name):
        raise UsageError(f"{path} declares {spec.name}, and a bundled skill has that name", "rename it")


@dataclass(frozen=True)
class _Sentence:
    """An example as a test case."""

    text: str
    call: Call
    template: str

    def case(self, id: str, audio: Path | None = None) -> Case:
        return Case(id, self.text, ((self.call,),), group=self.template, source=str(self.call.name), audio=audio)


def _sentences(book: PhraseBook, registry: Registry, wanted: Callable[[str], bool], rng: random.Random) -> list[_Sentence]:
    """The examples of the wanted skills in an order that goes through all templates before it comes to one again."""
    templates = {_words(phrase): _template(phrase) for phrase in book.phrases}
    found = []
    for spec in registry:
        for example in spec.examples:
            if wanted(example.call.name):
                owner = registry.specs.get(example.call.name)
                call = owner.canonical(example.call) if owner and owner.name != OTHER else example.call
                words = normal_text(example.text)
                found.append(_Sentence(example.text, call, templates.get(words, words)))
    rng.shuffle(found)
    seen: dict[tuple[str, str], int] = defaultdict(int)
    turns = []
    for sentence in found:
        key = (sentence.call.name, sentence.template)
        turns.append(seen[key])
        seen[key] += 1
    return [sentence for _, sentence in sorted(zip(turns, found, strict=True), key=lambda item: item[0])]


def _words(phrase: Phrase) -> str:
    return normal_text(" ".join(part if isinstance(part, str) else part[1] for part in phrase.parts))


def _template(phrase: Phrase) -> str:
    return " ".join(part if isinstance(part, str) else f"{{{part[0]}}}" for part in phrase.parts)


def _typed(registry: Registry, book: PhraseBook, names: Collection[str], seed: int) -> Iterator[Case]:
    """Own examples, own templates with other values, and what is said to others."""
    rng = random.Random(f"{seed}:typed")
    own = _sentences(book, registry, names.__contains__, rng)
    for number, sentence in enumerate(own[:TYPED_OWN]):
        yield sentence.case(f"{TYPED}/own/{number}")
    known = {normal_text(sentence.text) for sentence in own}
    for number, name in enumerate(name for name in names for _ in range(TYPED_OWN // len(names))):
        if any(template.skill == name for template in book.templates):
            text, call = book.sample(rng, name)
            if normal_text(text) not in known:
                known.add(normal_text(text))
                yield Case(f"{TYPED}/sampled/{number}", text, ((call,),), source=name)
    for number, sentence in enumerate(_others(book, registry, names, rng)[:TYPED_OTHERS]):
        yield sentence.case(f"{TYPED}/others/{number}")


def _others(book: PhraseBook, registry: Registry, names: Collection[str], rng: random.Random) -> list[_Sentence]:
    """What is said to other skills and to nobody, in turns."""
    strays = _sentences(book, registry, lambda name: name == OTHER, rng)
    commands = _sentences(book, registry, lambda name: name != OTHER and name not in names, rng)
    return [sentence for pair in zip(commands, strays, strict=False) for sentence in pair] or commands or strays


def _spoken(
    registry: Registry, book: PhraseBook, names: Collection[str], voices: Sequence[Voice], check: Check, folder: Path
) -> Iterator[Case]:
    """Recordings of own sentences, and fewer of others', all voices in turns. Raises UsageError where the skill has no examples."""
    rng = random.Random(f"{check.seed}:spoken")
    own = _sentences(book, registry, names.__contains__, rng)
    if not own:
        raise UsageError(f"{', '.join(names)} has no examples to speak", "write some into its example file, see docs/examples.md")
    others = _others(book, registry, names, rng)
    share = check.limit // OTHERS
    for kind, sentences, count in (("own", own, check.limit - share), ("others", others, share)):
        for number, (sentence, voice) in enumerate(_pairs(sentences, voices, count)):
            file = folder / kind / f"{number}.wav"
            voice.speak(sentence.text, file)
            yield sentence.case(f"{SPOKEN}/{voice}/{kind}/{number}", file)


def _pairs(sentences: Sequence[_Sentence], voices: Sequence[Voice], count: int) -> Iterable[tuple[_Sentence, Voice]]:
    """Each sentence with the next voice; when all have been said, again with the voice after that."""
    rounds = ((sentence, voices[(place + turn) % len(voices)]) for turn in range(len(voices)) for place, sentence in enumerate(sentences))
    return [pair for pair, _ in zip(rounds, range(count), strict=False)]


def _noisy(cases: Sequence[Case], check: Check) -> list[Case]:
    from eval.speech import with_noise

    # The templates and voices say what belongs together: a recording's levels have both in common.
    return with_noise(cases, Path(check.noise).expanduser(), check.snr)


def _open_ear(check: Check, registry: Registry, settings: Settings) -> Ear:
    from eval.speech import open_ear

    noise = Path(check.noise).expanduser() if check.noise else None
    return open_ear(check.stt or settings.stt.engine, registry, settings, noise, check.seed)
