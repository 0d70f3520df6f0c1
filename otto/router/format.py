"""How the embedded Llama writes a call: as `str(Call)` prints it, but each text is words of the utterance, with a space before each.

The leading space makes a copied word the same tokens as in the utterance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from otto.align import Span
from otto.call import printed
from otto.skill import SkillSpec


def span_call(spec: SkillSpec, words: Sequence[str], spans: Iterable[Span], fixed: Iterable[tuple[str, Any]]) -> str:
    """The text of a call whose arguments are spans of the words, in the order of the signature: `timer(duration=" five minutes")`."""
    said: dict[str, list[str]] = {}
    for span in spans:
        said.setdefault(span.parameter, []).append(said_text(words[span.first : span.last + 1]))
    literal = dict(fixed)
    arguments = []
    for parameter in spec.parameters:
        if parameter.name in said:
            items = said[parameter.name]
            arguments.append(f"{parameter.name}=[{', '.join(items)}]" if parameter.is_list else f"{parameter.name}={items[0]}")
        elif parameter.name in literal:
            arguments.append(f"{parameter.name}={printed(literal[parameter.name])}")
    return f"{spec.name}({', '.join(arguments)})"


def said_text(words: Sequence[str]) -> str:
    """Words as the model writes them, in quotes."""
    return printed("".join(f" {word}" for word in words))
