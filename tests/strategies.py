"""Hypothesis strategies and grammar tools that several tests share."""

from __future__ import annotations

import keyword
import random
import string
from functools import cache
from typing import Any

from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

import otto.types
from otto import Call
from otto.parameters import Parameter
from otto.skill import SkillSpec

SPOKEN = tuple(
    getattr(otto.types, name) for name in ("Duration", "Number", "Expression", "Date", "Time", "Location", "AppName")
)

names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8).filter(
    lambda name: not keyword.iskeyword(name) and name != "other"
)

# What can be said and printed: no control characters, no separators but the space, no code points without a meaning yet.
printable = st.characters(exclude_categories=("C", "Z"), max_codepoint=0x1FFFF, include_characters="").filter(
    str.isprintable
)
words = st.text(printable, min_size=1, max_size=8)
texts = st.lists(words, min_size=1, max_size=4).map(" ".join)

literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
calls = st.builds(Call, names, st.dictionaries(names, literals, max_size=4))


@st.composite
def parameters(draw: st.DrawFn, name: str) -> Parameter:
    """A random parameter: of any type, required or not, one or a list, with bounds or without."""
    kind = draw(st.sampled_from(["choices", "spoken", "spoken", "str", "str", "int", "float", "bool"]))
    options: dict[str, Any] = {}
    if kind == "choices":
        options["choices"] = tuple(
            draw(st.lists(texts | st.integers(-20, 200), min_size=1, max_size=5, unique_by=lambda c: str(c).casefold()))
        )
    elif kind == "spoken":
        options["spoken"] = draw(st.sampled_from(SPOKEN))
    else:
        options["plain"] = {"str": str, "int": int, "float": float, "bool": bool}[kind]
    if kind in ("int", "float") and draw(st.booleans()):
        low, high = sorted(draw(st.lists(st.integers(-2000, 2000), min_size=2, max_size=2)))
        options |= {"minimum": float(low), "maximum": float(high)}
    parameter = Parameter(name, is_list=draw(st.booleans()) and draw(st.booleans()), **options)
    if draw(st.booleans()):
        return parameter
    if draw(st.booleans()):
        return Parameter(name, required=False, default=None, nullable=True, is_list=parameter.is_list, **options)
    default = draw(values(parameter))
    return Parameter(
        name, required=False, default=default, nullable=draw(st.booleans()), is_list=parameter.is_list, **options
    )


@st.composite
def values(draw: st.DrawFn, parameter: Parameter) -> Any:
    """A random value that the parameter takes."""
    if parameter.is_list:
        return draw(st.lists(_items(parameter), min_size=1, max_size=3))
    return draw(_items(parameter))


def _items(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.spoken:
        return st.sampled_from(parameter.spoken.samples)
    if parameter.plain is str:
        return texts
    if parameter.plain is bool:
        return st.booleans()
    low = -1000 if parameter.minimum is None else int(parameter.minimum)
    high = 1000 if parameter.maximum is None else int(parameter.maximum)
    if parameter.plain is int:
        return st.integers(low, high)
    return st.integers(low * 100, high * 100).map(lambda hundredths: hundredths / 100)


@st.composite
def skill_specs(draw: st.DrawFn, max_parameters: int = 5) -> SkillSpec:
    """A random skill."""
    found = [draw(parameters(name)) for name in draw(st.lists(names, max_size=max_parameters, unique=True))]
    return SkillSpec(draw(names), draw(texts), tuple(found))


skill_sets = st.lists(skill_specs(), min_size=1, max_size=5, unique_by=lambda spec: spec.name)


@st.composite
def calls_of(draw: st.DrawFn, spec: SkillSpec) -> Call:
    """A random call that the skill takes."""
    given_now = [parameter for parameter in spec.parameters if parameter.required or draw(st.booleans())]
    return Call(spec.name, {parameter.name: draw(values(parameter)) for parameter in given_now})


class _Bytes:
    """Each byte a token, and one for the end."""

    eos_token_id = 256
    bos_token_id = None
    tokens = [bytes([byte]) for byte in range(256)] + [b"\xff<end>"]
    special_token_ids = [256]

    def __call__(self, text: bytes) -> list[int]:
        return list(text)


@cache
def byte_tokenizer() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Bytes()))


def matcher(grammar: str) -> LLMatcher:
    """A matcher over bytes of a Lark grammar. Fails where the grammar is faulty."""
    found = LLMatcher(byte_tokenizer(), grammar)
    assert not found.is_error(), found.get_error() + grammar
    return found


def admits(grammar: str | LLMatcher, text: str) -> bool:
    """True where the grammar admits the whole text."""
    state = (matcher(grammar) if isinstance(grammar, str) else grammar).deep_copy()
    tokens = list(text.encode())
    return state.try_consume_tokens(tokens) == len(tokens) and state.is_accepting()


def walk(grammar: LLMatcher, rng: random.Random, length: int = 60) -> str:
    """A random text that the grammar admits: after about `length` bytes it takes what closes."""
    state = grammar.deep_copy()
    found = bytearray()
    while not state.is_stopped():
        mask = int.from_bytes(state.compute_bitmask(), "little")
        allowed = [token for token in range(257) if mask >> token & 1]
        if 256 in allowed and (len(found) > length or len(allowed) == 1 or rng.random() < 0.3):
            break
        closing = [token for token in b'")]' if token in allowed][:1]
        plain = [token for token in allowed if token < 128]
        choice = (
            closing
            if closing and (len(found) > length or rng.random() < 0.1)
            else plain
            if plain and rng.random() < 0.9
            else allowed
        )
        token = rng.choice([token for token in choice if token != 256])
        assert state.consume_token(token), state.get_error()
        found.append(token)
        assert len(found) < 5_000, f"no end: {bytes(found[:200])!r}"
    return found.decode()
