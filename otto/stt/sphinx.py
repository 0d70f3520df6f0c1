"""Closed-phrase mode: PocketSphinx held to the sentences of a grammar, and a second look that refuses what lies outside it.

A grammar decoder always finds the sentence that fits best, whatever was said. So the same sound goes through a recogniser of bare
speech sounds too, which knows no words, and otto.stt.refusal compares the two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from otto.errors import ModelError
from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance
from otto.stt.jsgf import JsgfError, WordGraph, read_jsgf
from otto.stt.pronounce import pronounce
from otto.stt.refusal import Evidence, Segment

if TYPE_CHECKING:
    from pocketsphinx import Decoder
    from typing_extensions import Self

    from otto.config import Settings
    from otto.messages import Samples
    from otto.registry import Registry

_WORDS, _ANSWERS, _SOUNDS = "words", "answers", "sounds"  # names of the searches
_PIECE = 800  # samples, 50 ms
_SETTLED = 32_000  # samples, 2 s
_SOUND_SEARCH = {"lw": 2.0, "beam": 1e-20, "pbeam": 1e-20}  # measured: the best separation, at a quarter of the default's time


class ClosedPhraseEngine:
    """Recognises the sentences of one grammar, and nothing else.

    Raises:
        ModelError: the grammar cannot be used.
    """

    name = "closed-phrase"

    def __init__(self, grammar: SpeechGrammar) -> None:
        try:
            self._graph = read_jsgf(grammar.jsgf)
        except JsgfError as error:
            raise ModelError(f"The phrases of the skills make no speech grammar ({error})", "find the skill with: otto skills check") from None
        self._decoder = _decoder(self._graph)
        self._expected: tuple[SpeechGrammar, WordGraph] | None = None
        self._fed: tuple[str, Samples, int] | None = None  # search that is under way, its sound, and how long that may grow
        self._mean = ""

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the phrases of the installed skills. Raises ModelError."""
        from otto.jsgf import spoken_to_otto

        return cls(spoken_to_otto(registry, settings.paths.cache))

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance, as one of the skills' phrases or, where an answer is expected, as one of those."""
        started = time.perf_counter()
        graph = self._held_to(expected) if expected else self._graph
        segments = self._search(_ANSWERS if expected else _WORDS, utterance.samples)
        heard = [segment.name for segment in segments if segment.is_speech]
        text = " ".join(word.partition("(")[0] for word in heard)
        confidence = self._evidence(segments, heard, utterance.samples).confidence if graph.accepts(text.split()) else 0.0
        ms = (time.perf_counter() - started) * 1000
        if confidence < 0.5:
            return NotRecognized("outside the grammar" if text else "no words", self.name, ms, text)
        return Transcript(text, self.name, ms, confidence)

    def partial(self, utterance: Utterance) -> str:
        """The words so far of a sentence that is still being spoken. What is decoded here, `transcribe` need not decode again."""
        self._feed(_WORDS, utterance.samples)
        found = self._decoder.hyp()
        return str(found.hypstr) if found else ""

    def _held_to(self, expected: SpeechGrammar) -> WordGraph:
        """The answers as a search of the decoder; those that were expected last are kept."""
        if self._expected is None or self._expected[0] != expected:
            graph = read_jsgf(expected.jsgf)
            self._abandon()
            _add_search(self._decoder, _ANSWERS, graph)
            self._expected = expected, graph
        return self._expected[1]

    def _evidence(self, segments: Sequence[Segment], heard: Sequence[str], samples: Samples) -> Evidence:
        phones = [phone for word in heard for phone in self._decoder.lookup_word(word).split()]
        return Evidence.of(segments, phones, self._search(_SOUNDS, samples, self._mean))

    def _search(self, name: str, samples: Samples, mean: str = "") -> list[Segment]:
        """The stretches of the best path; a step of the grammar that takes no time is none."""
        self._feed(name, samples, mean)
        self._fed = None
        self._decoder.end_utt()
        found = (segment for segment in self._decoder.seg() or () if segment.start_frame >= 0 and segment.word != "(NULL)")
        return [Segment(item.word, item.start_frame, item.end_frame, math.log(max(item.ascore, 1e-300))) for item in found]

    def _feed(self, name: str, samples: Samples, mean: str = "") -> None:
        """Decode the sound as far as it was not yet, in pieces: PocketSphinx holds Python's lock, and the microphone needs it meanwhile."""
        if not self._goes_on(name, samples):
            self._begin(name, samples, mean)
        assert self._fed
        _, known, until = self._fed
        for start in range(len(known), len(samples), _PIECE):
            self._decoder.process_raw(samples[start : start + _PIECE].tobytes())
        self._fed = name, samples, until

    def _abandon(self) -> None:
        """Leave the sentence that is under way."""
        if self._fed is not None:
            self._decoder.end_utt()
            self._fed = None

    def _goes_on(self, name: str, samples: Samples) -> bool:
        """Whether the sound begins with what was decoded, and the mean that this was decoded with is still good."""
        if self._fed is None:
            return False
        search, known, until = self._fed
        return search == name and len(known) <= len(samples) <= until and np.array_equal(known, samples[: len(known)])

    def _begin(self, name: str, samples: Samples, mean: str) -> None:
        self._abandon()
        self._decoder.activate_search(name)
        self._mean = mean or self._mean_of(samples)
        self._decoder.set_cmn(self._mean)
        self._decoder.start_utt()
        self._fed = name, samples[:0], max(len(samples) * 2, _SETTLED)

    def _mean_of(self, samples: Samples) -> str:
        """The mean of the cepstra, which is taken off each: what room and microphone add. Of a sentence that goes on, it is that of its beginning."""
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), no_search=True, full_utt=True)
        self._decoder.end_utt()
        return str(self._decoder.get_cmn(False))


def _decoder(graph: WordGraph) -> Decoder:
    from pocketsphinx import Config, Decoder, get_model_path

    # bestpath would search the lattice again, and end in the middle of a sentence; the live mean would remember earlier utterances;
    # fsgusealtpron goes through the whole graph for each word, where _transitions adds the other pronunciations at once
    decoder = Decoder(Config(lm=None, cmn="batch", bestpath=False, fsgusealtpron=False, loglevel="FATAL"))
    _add_search(decoder, _WORDS, graph)
    for option, value in _SOUND_SEARCH.items():
        decoder.config[option] = value
    decoder.add_allphone_file(_SOUNDS, get_model_path("en-us/en-us-phone.lm.bin"))
    return decoder


def _add_search(decoder: Decoder, name: str, graph: WordGraph) -> None:
    spoken = {word: _pronunciations(decoder, word) for _, _, word in graph.arcs if word}
    decoder.add_fsg(name, decoder.create_fsg(name, graph.start, graph.final, list(_transitions(graph, spoken))))


def _pronunciations(decoder: Decoder, word: str) -> list[str]:
    """The dictionary's names of a word's pronunciations: "a", "a(2)". One is made for a word that it lacks."""
    if decoder.lookup_word(word) is None:
        decoder.add_word(word, pronounce(word, decoder.lookup_word), False)
    names = [word]
    while decoder.lookup_word(following := f"{word}({len(names) + 1})"):
        names.append(following)
    return names


def _transitions(graph: WordGraph, spoken: Mapping[str, list[str]]) -> Iterator[tuple[int, int, float] | tuple[int, int, float, str]]:
    """The graph as PocketSphinx takes it: free arcs are followed once only, so a chain of them needs a shortcut."""
    for source, target, word in graph.arcs:
        if word:
            yield from ((source, target, 1.0, name) for name in spoken[word])
    for source in sorted({source for source, _, word in graph.arcs if word is None}):
        for target in sorted(graph.free(source) - {source}):
            yield source, target, 1.0
