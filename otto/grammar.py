"""Skills → decoding grammar: what a model may say is a canonical call of an installed skill, or `other()`.

`call_grammar` admits the canonical calls (Lark, for llguidance); `gbnf` the same for llama.cpp; `tools` and
`answer_schema` the JSON schemas for OpenAI-compatible servers. `span_grammar` is the embedded router's: each text or
spoken value is a run of the utterance's own words, so that no argument can be made up.

Left out of every grammar, since nobody says it: the empty text, the empty list, line breaks and other characters that
cannot be printed, and numbers of more than 15 digits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from otto.call import printed
from otto.errors import InvalidCall
from otto.parameters import Parameter
from otto.ranges import decimal_regex, integer_regex
from otto.skill import OTHER, SkillSpec
from otto.types import Number
from otto.words import split_words

MAX_CALLS = 8  # in one answer
MAX_SPAN = 40  # words of an utterance in a value that is not free text

Value = Callable[[Parameter], "str | None"]  # a grammar's expression for one item, None where none can be said

_MARK = r'([^"\\\p{C}\p{Z}]|\\["\\])'  # one printable character that is no space, as it stands between quotes
_TEXT = rf'/"{_MARK}+( {_MARK}+)*"/'
_GBNF_TEXT = r"""
text ::= "\"" mark+ (" " mark+)* "\""
mark ::= "\\" ["\\] |
  [^"\\\x00-\x20\x7F-\xA0\xAD\u0600-\u0605\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u206F\u3000\uE000-\uF8FF\uFEFF\uFFF0-\uFFFF]
"""


def call_grammar(specs: Iterable[SkillSpec], *, several: bool = False) -> str:
    """A Lark grammar, for llguidance, of the canonical calls: what `str(spec.canonical(call))` prints, and `other()`.

    Arguments stand in the order of the signature; optional ones may be left out, and one that equals its default is.

    Args:
        specs: the installed skills.
        several: admit up to MAX_CALLS calls on several lines or joined by `; `.
    """
    terminals = {"TEXT": _TEXT}

    def value(parameter: Parameter) -> str | None:
        if _literals(parameter):
            return _one_of(_literals(parameter))
        if parameter.plain is str:
            return "TEXT"
        regex = _regex(parameter)
        if not regex:
            return None
        body = _slashed(regex)
        if parameter.spoken and parameter.spoken.refused:
            body += " & ~" + _slashed(f'"({parameter.spoken.refused})"')
        name = next((name for name, known in terminals.items() if known == body), f"KIND_{len(terminals)}")
        terminals[name] = body
        return name

    return _lark(specs, value, terminals, several=several, canonical=True)


def answer_grammar(specs: Iterable[SkillSpec]) -> str:
    """As `call_grammar` of several calls, with a space before them or not.

    Words of a prompt such as "[INST] … [/INST]" end without the space that many models begin their answer with.
    """
    return 'start: " "? answer\n' + call_grammar(specs, several=True).replace("start:", "answer:", 1)


def span_grammar(specs: Iterable[SkillSpec], utterance: str, *, checked: bool = True) -> str:
    """A Lark grammar of the calls whose texts are spans of the utterance: of its words, in order, without gaps.

    The words are those of `otto.words`, each with a space before it: so a model writes it with the tokens that it read. The
    values are as they were said: validation turns " five minutes" into "5 minutes".

    Args:
        specs: the installed skills.
        utterance: what was said.
        checked: admit for a duration, a number, … only the spans that are one, so that each call validates and a skill
            whose required argument was not said cannot be called. Without it the grammar is made sooner, and the call
            may not validate.
    """
    parts = [f" {word.text}" for word in split_words(utterance)]
    terminals = {"SPAN": _span_terminal(parts)} if parts else {}
    spans = list(_spans(parts)) if checked else []
    names: dict[str, str | None] = {}  # a type with its bounds → its terminal, None where no span is of it

    def value(parameter: Parameter) -> str | None:
        if _literals(parameter):
            return _one_of(_literals(parameter))
        if not parts:
            return None
        if parameter.free_text or not checked:
            return "SPAN"
        kind = f"{(parameter.spoken or parameter.plain or str).__name__} {parameter.minimum} {parameter.maximum}"
        if kind not in names:
            fitting = [span for span in spans if _fits(parameter, span)]
            names[kind] = f"SPAN_{len(terminals)}" if fitting else None
            if fitting:
                terminals[f"SPAN_{len(terminals)}"] = _one_of(fitting)
        return names[kind]

    return _lark(specs, value, terminals, several=False, canonical=False)


def gbnf(specs: Iterable[SkillSpec], *, several: bool = False) -> str:
    """As `call_grammar` in GBNF, for llama.cpp's server.

    It cannot say "but not": an argument may equal its default, a place or a program's name may be a word like "now".
    """
    kinds: dict[str, str] = {}

    def value(parameter: Parameter) -> str | None:
        if _literals(parameter):
            return _one_of(_literals(parameter))
        if parameter.plain is str:
            return "text"
        regex = _regex(parameter)
        if not regex:
            return None
        body = _regex_to_gbnf(regex)
        name = next((name for name, known in kinds.items() if known == body), f"kind-{len(kinds)}")
        kinds[name] = body
        return name

    skills = {f"skill-{number}": _call(spec, given) for number, spec, given in _sayable(specs, value)}
    rules = {
        "root": _start(list(skills), several),
        **({"call": " | ".join(skills)} if skills else {}),
        **skills,
        **kinds,
    }
    return "".join(f"{name} ::= {body}\n" for name, body in rules.items()) + _GBNF_TEXT.lstrip()


def tools(specs: Iterable[SkillSpec]) -> list[dict[str, Any]]:
    """The `tools` array of OpenAI chat completions, strict: all parameters are required, optional ones may be null."""
    return [
        {
            "type": "function",
            "function": {
                "name": spec.name,
                "description": spec.description,
                "strict": True,
                "parameters": _arguments_schema(spec),
            },
        }
        for spec in _with_other(specs)
    ]


def answer_schema(specs: Iterable[SkillSpec]) -> dict[str, Any]:
    """The `response_format` of OpenAI's structured outputs, for `{"calls": [{"name": …, "arguments": {…}}]}`."""
    calls = [
        _object(
            {
                "name": {"type": "string", "const": spec.name, "description": spec.description},
                "arguments": _arguments_schema(spec),
            }
        )
        for spec in _with_other(specs)
    ]
    schema = _object({"calls": {"type": "array", "items": {"anyOf": calls}}})
    return {"type": "json_schema", "json_schema": {"name": "calls", "strict": True, "schema": schema}}


def _with_other(specs: Iterable[SkillSpec]) -> list[SkillSpec]:
    skills = [spec for spec in specs if spec.name != OTHER]
    return [*skills, SkillSpec(OTHER, "Nothing that was asked for fits another function.")]


def _arguments_schema(spec: SkillSpec) -> dict[str, Any]:
    return _object({parameter.name: _strict(parameter) for parameter in spec.parameters})


def _strict(parameter: Parameter) -> dict[str, Any]:
    schema = parameter.json_schema()
    schema.pop("default", None)
    if parameter.required or parameter.nullable:
        return schema
    description = schema.pop("description")
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _lark(
    specs: Iterable[SkillSpec], value: Value, terminals: dict[str, str], *, several: bool, canonical: bool
) -> str:
    rules = {}
    for number, spec, given in _sayable(specs, value):
        if canonical:
            given = [
                (parameter, _without_default(parameter, text, number, terminals))
                for parameter, text in given
                if not _only_default(parameter)
            ]
        rules[f"skill_{number}"] = _call(spec, given)
    lines = {
        "start": _start(list(rules), several),
        **({"call": " | ".join(rules)} if rules else {}),
        **rules,
        **terminals,
    }
    return "".join(f"{name}: {body}\n" for name, body in lines.items())


def _start(skills: Sequence[str], several: bool) -> str:
    other = _quoted(f"{OTHER}()")
    more = f' (("; " | "\\n") call){{0,{MAX_CALLS - 1}}}' if several else ""
    return f"{other} | call{more}" if skills else other


def _sayable(specs: Iterable[SkillSpec], value: Value) -> Iterator[tuple[int, SkillSpec, list[tuple[Parameter, str]]]]:
    """The skills whose required arguments can all be said, with the expressions of those that can."""
    for number, spec in enumerate(spec for spec in specs if spec.name != OTHER):
        given = [(parameter, text) for parameter in spec.parameters if (text := _item(parameter, value))]
        if sum(parameter.required for parameter, _ in given) == sum(
            parameter.required for parameter in spec.parameters
        ):
            yield number, spec, given


def _call(spec: SkillSpec, given: Sequence[tuple[Parameter, str]]) -> str:
    return f"{_quoted(spec.name + '(')} {_arguments(given)} {_quoted(')')}"


def _arguments(given: Sequence[tuple[Parameter, str]]) -> str:
    """The arguments in the order of the signature, the optional ones each or not."""
    tail, ways = "", []
    for parameter, text in reversed(given):
        ways.append(f"{_quoted(parameter.name + '=')} {text} {tail}".rstrip())
        if parameter.required:
            ways = ways[-1:]
        group = f"{_quoted(f', {parameter.name}=')} {text} {tail}".rstrip()
        tail = group if parameter.required else f"({_quoted(f', {parameter.name}=')} {text})? {tail}".rstrip()
    if not ways:
        return ""
    return f"({' | '.join(ways)})" + ("" if any(parameter.required for parameter, _ in given) else "?")


def _item(parameter: Parameter, value: Value) -> str | None:
    """The expression of a parameter's values: one, a list of them, None."""
    text = value(parameter)
    if text is None:
        return None
    if parameter.is_list:
        text = f'("[" {text} (", " {text})* "]")'
    if parameter.nullable and (parameter.required or parameter.default is not None):
        text = f'({text} | "None")'
    return text


def _without_default(parameter: Parameter, text: str, number: int, terminals: dict[str, str]) -> str:
    """A terminal of the values that differ from the default, which is never printed."""
    default = parameter.canonical_default
    if parameter.required or default is None or default in ("", []):
        return text
    name = f"VALUE_{number}_{len(terminals)}"
    terminals[name] = f"{text} & ~{_quoted(printed(default))}"
    return name


def _only_default(parameter: Parameter) -> bool:
    """True where a parameter has no value but its default, which is never printed."""
    if parameter.required or parameter.is_list or parameter.nullable:
        return False
    default = parameter.canonical_default
    return parameter.choices == (default,) or (
        parameter.minimum == parameter.maximum == default and default is not None
    )


def _literals(parameter: Parameter) -> tuple[Any, ...]:
    return (True, False) if parameter.plain is bool else parameter.choices


def _regex(parameter: Parameter) -> str:
    """The canonical texts of a typed value, quotes included; "" where there is none."""
    if parameter.plain is int:
        return integer_regex(parameter.minimum, parameter.maximum)
    if parameter.plain is float or parameter.spoken is Number:
        return decimal_regex(parameter.minimum, parameter.maximum)
    return f'"({parameter.spoken.pattern})"' if parameter.spoken else ""


def _slashed(regex: str) -> str:
    """A regular expression as Lark writes it."""
    return "/" + regex.replace("\\/", "/").replace("/", "\\/") + "/"


def _span_terminal(parts: Sequence[str]) -> str:
    chunks = [printed(part)[1:-1] for part in parts]
    return f'"\\"" (%regex {json.dumps({"substring_chunks": chunks})} & /.+/) "\\""'


def _spans(parts: Sequence[str]) -> Iterable[str]:
    """Every run of words, each once."""
    runs = ("".join(parts[start:end]) for start in range(len(parts)) for end in range(start + 1, min(len(parts), start + MAX_SPAN) + 1))
    return dict.fromkeys(runs)


def _fits(parameter: Parameter, span: str) -> bool:
    """True where a span is a value of the parameter's type."""
    try:
        (parameter.spoken or Number).parse(span)  # most spans are none: that is told without pydantic and its sentence
        if not parameter.spoken or parameter.minimum is not None or parameter.maximum is not None:
            parameter.validate(span)
    except (ValueError, InvalidCall):
        return False
    return True


def _one_of(values: Iterable[object]) -> str:
    return f"({' | '.join(_quoted(printed(value)) for value in values)})"


def _quoted(text: str) -> str:
    """A text as a literal of a Lark or GBNF grammar."""
    return json.dumps(text, ensure_ascii=False)


_REGEX_PART = re.compile(
    r"""(?P<group>\((?:\?:)?) | (?P<set>\[\^?(?:\\.|[^\]\\])+\]) | (?P<operator>[)|*+?]|\{\d*,?\d*\}) | (?P<digit>\\d)
    | (?P<text>(?:(?:\\\W|[^\\^$.()\[\]{}|*+?])(?![*+?{]))+ | \\\W | [^\\^$.()\[\]{}|*+?])""",
    re.VERBOSE,
)


def _regex_to_gbnf(regex: str) -> str:
    """A regular expression without anchors, lookaround and back-references as a GBNF expression."""
    found, position = [], 0
    while position < len(regex):
        match = _REGEX_PART.match(regex, position)
        if match is None:
            raise ValueError(f"{regex!r} has no GBNF from character {position}")
        position = match.end()
        if match["group"]:
            found.append(" (")
        elif match["operator"]:
            found.append(f" {match['operator']}" if match["operator"] == "|" else match["operator"])
        elif match["text"]:
            found.append(" " + _quoted(re.sub(r"\\(\W)", r"\1", match["text"])))
        else:
            found.append(" [0-9]" if match["digit"] else " " + match["set"].replace("\\d", "0-9").replace("\\.", "."))
    return "".join(found).strip()
