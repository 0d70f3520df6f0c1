"""Text to sentences, while it is still coming: each is handed on as soon as what follows shows that it is over."""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST = 240  # characters; what goes on longer without a full stop is cut between two clauses

_END = re.compile(r"""[.!?…]+["')\]”’»]*(?=\s)|[。！？]+[」』”]*|(?=\n)""")
_CLAUSE = re.compile(r"[,;:—–]\s|\s")
_WORD = re.compile(r"[^\s\"'(\[“‘«]*$")
# After these a name or an example follows, after those a number: no end of a sentence.
_GOES_ON = frozenset("adm approx capt cf cmdr col e.g gen gov hon i.e lt maj mr mrs ms mt mx pres prof rep rev sen sgt st viz vs dr".split())
_NUMBERED = frozenset("art ch chap ed fig figs no nos nr op p pp par sec vol".split())
_LINK = re.compile(r"\[([^\]]+)\]\([^)\s]*\)")
_ADDRESS = re.compile(r"\bhttps?://(?:www\.)?([^/\s?#]+)[^\s<>\"')\]]*", re.IGNORECASE)
_MARKS = re.compile(r"\*\*+|__+|`+|^\s*(?:#+|[-*•>]+)\s+|\[\[+|\]\]+", re.MULTILINE)  # of Markdown; and [[…]], which speech programs obey
_UNHEARD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe0f]|[\U0001F000-\U0001FAFF\u2600-\u27BF]")


class SentenceCutter:
    """Cuts a stream of text, in pieces of any lengths, into sentences. No letter is lost; the white space around sentences is."""

    def __init__(self) -> None:
        self._rest = ""

    def push(self, piece: str) -> Iterator[str]:
        """Yield the sentences that this piece of text completes."""
        self._rest = (self._rest + piece).lstrip()
        while (end := _first_end(self._rest, last=False)) is not None:
            yield self._rest[:end].rstrip()
            self._rest = self._rest[end:].lstrip()

    def flush(self) -> Iterator[str]:
        """The text has ended: yield what is left."""
        while (end := _first_end(self._rest, last=True)) is not None:
            yield self._rest[:end].rstrip()
            self._rest = self._rest[end:].lstrip()
        rest, self._rest = self._rest.rstrip(), ""
        if rest:
            yield rest


def sentences(text: str) -> list[str]:
    """The sentences of a text that is there as a whole."""
    cutter = SentenceCutter()
    return [*cutter.push(text), *cutter.flush()]


def speakable(sentence: str) -> str:
    """A sentence without what is for the eye: marks of Markdown, emoji, all of an address but its host. Empty where nothing is left to say."""
    text = _ADDRESS.sub(r"\1", _LINK.sub(r"\1", sentence))
    text = " ".join(_UNHEARD.sub(" ", _MARKS.sub("", text)).split())
    return text if any(char.isalnum() for char in text) else ""


def _first_end(text: str, last: bool) -> int | None:
    """Where the first sentence ends; None where that is not yet known, or there is no end."""
    for found in _END.finditer(text):
        if found.end() > LONGEST:
            break
        follows = text[found.end() :].lstrip(" \t")
        if not follows and not last:
            return None  # what follows decides
        if _is_end(text[: found.start()], found.group(), follows):
            return found.end()
    return _clause_end(text) if len(text) > LONGEST else None


def _is_end(before: str, mark: str, follows: str) -> bool:
    if not mark or mark[0] in "。！？" or follows[:1] in ("", "\n", "\r"):
        return True
    if follows[0].islower():
        return False
    if mark[0] != "." or mark[:2] == "..":
        return True
    word = _WORD.search(before).group().lower()  # type: ignore[union-attr]  # it may be empty, but is found
    initial = len(word) == 1 and word.isalpha()
    enumerated = word.isdigit() and not before[: len(before) - len(word)].strip()
    numbered = word in _NUMBERED and follows[0].isdigit()
    return not (word in _GOES_ON or numbered or initial or enumerated)


def _clause_end(text: str) -> int:
    """After the last clause, or else the last word, that fits."""
    spaces = [found.end() for found in _CLAUSE.finditer(text, 0, LONGEST)]
    clauses = [end for end in spaces if text[end - 2 : end - 1] in ",;:—–" and end > LONGEST // 3]
    return (clauses or spaces or [LONGEST])[-1]
