"""Skills → decoding grammar: what a model may say is a canonical call of an installed skill, or `other()`.

`call_grammar` admits any canonical call (Lark, for llguidance). `span_grammar` is the embedded router's: each text or spoken
value is a run of the utterance's own words, so that no argument can be made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

from otto.call import printed
from otto.parameters import Parameter
from otto.skill import OTHER, SkillSpec

Value = Callable[[Parameter], "str | None"]  # the grammar's expression for one value, None where none can be said

_PIECE = re.compile(r"['’]s\b|[^\W_]+(?:[.,:'’](?!s\b)[^\W_]+)*|\S")


def pieces(utterance: str) -> list[str]:
    """The utterance cut into words, marks and the white space between them: what spans begin and end at.

    `"what's 3.5*2?"` → `["what", "'s", " ", "3.5", "*", "2", "?"]`.
    """
    found: list[str] = []
    end = 0
    for match in _PIECE.finditer(utterance):
        if found and match.start() > end:
            found.append(" ")
        found.append(match.group())
        end = match.end()
    return found


def span_grammar(specs: Iterable[SkillSpec], utterance: str) -> str:
    """A Lark grammar of the calls whose texts are spans of the utterance: of its words, in order, without gaps.

    The texts are as they were said: validation turns "five minutes" into "5 minutes".
    """
    chunks = [printed(piece)[1:-1] for piece in pieces(utterance)]
    terminals = ""
    if chunks:
        terminals = 'SPAN: "\\"" WORDS "\\""\n' f"WORDS: %regex {json.dumps({'substring_chunks': chunks})} & /[^ ](.*[^ ])?/\n"

    def value(parameter: Parameter) -> str | None:
        if parameter.choices or parameter.plain is bool:
            return _one_of(parameter.choices or (True, False))
        return "SPAN" if chunks else None

    return _grammar(specs, value) + terminals


def _grammar(specs: Iterable[SkillSpec], value: Value) -> str:
    rules, names = [], []
    for number, spec in enumerate(spec for spec in specs if spec.name != OTHER):
        body = _arguments(spec, value, f"rest_{number}_")
        if body is not None:
            names.append(f"skill_{number}")
            rules.append(f"{names[-1]}: {_quoted(spec.name + '(')} {body[0]} \")\"\n" + body[1])
    return f'start: {" | ".join([_quoted(OTHER + "()"), *names])}\n' + "".join(rules)


def _arguments(spec: SkillSpec, value: Value, rest: str) -> tuple[str, str] | None:
    """The expression of a skill's arguments in the order of its signature, and the rules it needs; None where a required one cannot be said."""
    said = [(parameter, _maybe_list(parameter, value)) for parameter in spec.parameters]
    if any(parameter.required and not text for parameter, text in said):
        return None
    given = [(parameter, text) for parameter, text in said if text]
    rules, firsts = [], []
    for index, (parameter, text) in enumerate(given):
        tail = f"{rest}{index + 1}" if index + 1 < len(given) else ""
        firsts.append(f"{_quoted(parameter.name + '=')} {text} {tail}")
        if index:
            group = f"({_quoted(f', {parameter.name}=')} {text})" + ("" if parameter.required else "?")
            rules.append(f"{rest}{index}: {group} {tail}\n")
    required = next((index for index, (parameter, _) in enumerate(given) if parameter.required), None)
    if required is None:
        return (f"({' | '.join(firsts)})?" if firsts else ""), "".join(rules)
    return f"({' | '.join(firsts[: required + 1])})", "".join(rules)


def _maybe_list(parameter: Parameter, value: Value) -> str | None:
    text = value(parameter)
    if text is None or not parameter.is_list:
        return text
    return f'"[" {text} (", " {text})* "]"'


def _one_of(values: Iterable[object]) -> str:
    return f"({' | '.join(_quoted(printed(value)) for value in values)})"


def _quoted(text: str) -> str:
    """A text as a literal of a Lark grammar."""
    return json.dumps(text, ensure_ascii=False)
