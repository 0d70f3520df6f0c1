"""Closed-phrase mode: PocketSphinx held to the sentences of a grammar, and a second look that refuses what lies outside it.

A grammar decoder always finds the sentence that fits best, whatever was said. So the same sound goes through a recogniser of bare
speech sounds too, which knows no words, and otto.stt.refusal compares the two.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

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

    @classmethod
    def open(cls, registry: Registry, settings: Settings) -> Self:
        """With the phrases of the installed skills. Raises ModelError."""
        from otto.jsgf import spoken_to_otto

        return cls(spoken_to_otto(registry, settings.paths.cache))

    def transcribe(self, utterance: Utterance, expected: SpeechGrammar | None = None) -> Transcript | NotRecognized:
        """Recognise one utterance, as one of the skills' phrases or, where an answer is expected, as one of those."""
        started = time.perf_counter()
        graph = self._held_to(expected) if expected else self._graph
        segments = self._decode(_ANSWERS if expected else _WORDS, utterance.samples)
        heard = [segment.name for segment in segments if segment.is_speech]
        text = " ".join(word.partition("(")[0] for word in heard)
        confidence = self._evidence(segments, heard, utterance.samples).confidence if graph.accepts(text.split()) else 0.0
        ms = (time.perf_counter() - started) * 1000
        if confidence < 0.5:
            return NotRecognized("outside the grammar" if text else "no words", self.name, ms, text)
        return Transcript(text, self.name, ms, confidence)

    def _held_to(self, expected: SpeechGrammar) -> WordGraph:
        """The answers as a search of the decoder; those that were expected last are kept."""
        if self._expected is None or self._expected[0] != expected:
            graph = read_jsgf(expected.jsgf)
            _add_search(self._decoder, _ANSWERS, graph)
            self._expected = expected, graph
        return self._expected[1]

    def _evidence(self, segments: Sequence[Segment], heard: Sequence[str], samples: Samples) -> Evidence:
        phones = [phone for word in heard for phone in self._decoder.lookup_word(word).split()]
        return Evidence.of(segments, phones, self._decode(_SOUNDS, samples))

    def _decode(self, search: str, samples: Samples) -> list[Segment]:
        """The stretches of the best path; a step of the grammar that takes no time is none."""
        self._decoder.activate_search(search)
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = (segment for segment in self._decoder.seg() or () if segment.start_frame >= 0 and segment.word != "(NULL)")
        return [Segment(item.word, item.start_frame, item.end_frame, math.log(max(item.ascore, 1e-300))) for item in found]


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
