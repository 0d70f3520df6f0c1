"""Closed-phrase mode: PocketSphinx held to the phrases of the installed skills."""

from __future__ import annotations

import time

from otto.messages import NotRecognized, SpeechGrammar, Transcript, Utterance


class ClosedPhraseEngine:
    """Recognises the sentences of one grammar."""

    name = "closed-phrase"

    def __init__(self, grammar: SpeechGrammar) -> None:
        from pocketsphinx import Config, Decoder

        self._decoder = Decoder(Config(lm=None, cmn="batch", loglevel="FATAL"))
        self._decoder.add_jsgf_string("commands", grammar.jsgf)

    def transcribe(self, utterance: Utterance) -> Transcript | NotRecognized:
        """Recognise one utterance."""
        started = time.perf_counter()
        self._decoder.activate_search("commands")
        self._decoder.start_utt()
        self._decoder.process_raw(utterance.samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        ms = (time.perf_counter() - started) * 1000
        if hypothesis is None or not hypothesis.hypstr:
            return NotRecognized("outside the grammar", self.name, ms)
        return Transcript(hypothesis.hypstr, self.name, ms)
