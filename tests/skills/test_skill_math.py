"""The evaluator: exact where it can be, refused at once where it would never end."""

from __future__ import annotations

from fractions import Fraction

import pytest
from desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from otto import spoken
from otto.registry import Registry


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("three squared plus nine", "18"),
        ("15 percent of 80", "12"),
        ("square root of 144", "12"),
        ("12*(3+4)", "84"),
        ("half of 90", "45"),
        ("ten divided by four", "2.5"),
        ("100 over 7", "about 14.28571429"),
        ("0.1 + 0.2", "0.3"),
        ("one third plus one sixth", "0.5"),
        ("2 ** 100", "1267650600228229401496703205376"),
        ("2 to the power of minus 10", "0.0009765625"),
        ("12 mod 5", "2"),
        ("cube root of 27", "3"),
        ("fourth root of 81", "3"),
        ("square root of two", "about 1.414213562"),
        ("twenty factorial", "2432902008176640000"),
        ("100 factorial", "about 9.332621544 times 10 to the power of 157"),
        ("0 ** 0", "1"),
        ("(-8) ** (1/3)", "-2"),
        ("1.05 ** 30", "about 4.321942375"),
        ("1.0001 ** 100000", "about 22015.45605"),
        ("sine of 30 degrees", "0.5"),
        ("2 * pi", "about 6.283185307"),
        ("log10 of 1000", "3"),
        ("natural log of 2", "about 0.6931471806"),
        ("minus five plus twelve", "7"),
        ("5 - 12", "-7"),
        ("1 / 3 * 3", "1"),
        ("10 ** 400 / 10 ** 399", "10"),
        ("1 / 7 ** 30", "about 4.436687086 times 10 to the power of minus 26"),
    ],
)
def test_answers(desk: Desk, question: str, answer: str) -> None:
    assert desk.says(f'math(question="{question}")') == f"That is {answer}."


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("9**9**9", "That number is too large to work out; ask with smaller ones."),
        ("9**9**9**9", "That number is too large to work out; ask with smaller ones."),
        ("10000 factorial", "That number is too large to work out; ask with smaller ones."),
        ("factorial(factorial(20))", "That number is too large to work out; ask with smaller ones."),
        ("2 ** 5000 * 2 ** 5000", "That number is too large to work out; ask with smaller ones."),
        ("7 / 0", "Nothing can be divided by zero; ask with another number."),
        ("7 mod 0", "Nothing can be divided by zero; ask with another number."),
        ("0 ** -1", "Nothing can be divided by zero; ask with another number."),
        ("square root of minus four", "Negative numbers have no such root; ask with a positive one."),
        ("(-2) ** 0.3", "Negative numbers have no such root; ask with a positive one."),
        ("2.5 factorial", "Only whole numbers from zero up have a factorial; ask with one of those."),
        ("log10 of 0", "Only numbers above zero have a logarithm; ask with one of those."),
        ("tangent of 90 degrees", "A right angle has no tangent; ask for another angle."),
    ],
)
def test_refusals(desk: Desk, question: str, sentence: str) -> None:
    result = desk.run(f'math(question="{question}")')
    assert (result.ok, result.speech) == (False, sentence)
    assert result.ms < 2_000  # at once, beside a computation that would never end


@pytest.mark.parametrize("code", ["__import__('os')", "open('x')", "[1]*9", "x + 1", "1 if 1 else 2", "(lambda: 1)()", "1 < 2", "'a' * 9", "1_000j * 2"])
def test_code_is_not_arithmetic(desk: Desk, registry: Registry, code: str) -> None:
    import ast

    from otto import OttoError

    assert not desk.run(f'math(question="{code}")').ok  # stopped by the type
    with pytest.raises(OttoError, match="not arithmetic"):  # and by the evaluator
        registry.get("math").target.__globals__["evaluate"](ast.parse(code, mode="eval").body)  # type: ignore[union-attr]


numbers = st.integers(0, 10**6).map(str) | st.decimals(0, 1000, places=2, allow_nan=False).map(str)
expressions = st.recursive(
    numbers,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner) | st.builds("-{}".format, inner),
    max_leaves=8,
)


@given(expressions)
def test_evaluation_agrees_with_exact_rational_arithmetic(registry: Registry, text: str) -> None:
    import ast
    import re

    evaluate = registry.get("math").target.__globals__["evaluate"]  # type: ignore[union-attr]
    exact = re.sub(r"[\d.]+", lambda number: f"Fraction('{number[0]}')", text)
    try:
        expected = eval(exact, {"Fraction": Fraction})
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            evaluate(ast.parse(text, mode="eval").body)
        return
    assert evaluate(ast.parse(text, mode="eval").body) == expected


@given(st.integers(-(10**49), 10**49))
def test_whole_numbers_are_said_in_full(value: int) -> None:
    assert spoken.number(value) == str(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_spoken_number_is_near_and_says_where_it_is_not_exact(value: float) -> None:
    said = spoken.number(value)
    read = Fraction(said.removeprefix("about ").replace(" times 10 to the power of ", "e").replace("minus ", "-"))
    assert abs(read - Fraction(value)) <= abs(Fraction(value)) / 10**9
    if not said.startswith("about"):
        assert read == Fraction(value)


def test_lists_and_spans_are_said_in_words() -> None:
    assert [spoken.listing(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    spans = {0: "0 seconds", 1: "1 second", 59.6: "1 minute", 61: "1 minute 1 second", 3_600: "1 hour", 90_061: "1 day 1 hour", -5: "0 seconds"}
    assert {seconds: spoken.duration(seconds) for seconds in spans} == spans
