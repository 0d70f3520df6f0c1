"""Call: parser, printer and equality."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import calls, literals, names

import otto
from otto import Call
from otto.call import MAX_DEPTH, MAX_LENGTH, set_resolver
from otto.errors import CallSyntaxError


@given(calls)
@example(Call("f", {"a": "quote \" and ' and \\ and \n\r\t\0"}))
@example(Call("f", {"a": "👨‍👩‍👧 é \u2028 \ufeff \x85 \U000e0001"}))
@example(Call("f", {"a": [True, False, None, -1, -0.5, [], [["x"]]]}))
@example(Call("f", {"a": "\\N{BULLET} \\x41 {braces} %s f'"}))
@example(Call("f", {"a": 1e300, "b": 5e-324, "c": -0.0, "d": 10**999, "e": -(10**999)}))
def test_what_is_printed_is_parsed(call: Call) -> None:
    parsed = Call.parse(str(call))
    assert parsed == call
    assert parsed.name == call.name
    assert repr(dict(parsed.arguments)) == repr(dict(call.arguments))  # types and order as well
    assert str(parsed) == str(call)


@given(calls)
def test_a_printed_call_is_one_line_of_printable_text(call: Call) -> None:
    assert str(call).isprintable()


@given(st.lists(calls, min_size=1, max_size=4), st.sampled_from(["\n", "; ", ";", " ;\n", "\n\n"]))
def test_several_calls(found: list[Call], joint: str) -> None:
    assert list(Call.parse_all(joint.join(map(str, found)))) == found


@given(calls, st.sampled_from(["", " ", "\n", "\t \n"]), st.sampled_from(["", " ", "\n\n", ";"]))
def test_space_around_a_call_is_nothing(call: Call, before: str, after: str) -> None:
    assert Call.parse(before + str(call) + after) == call


@given(names, st.dictionaries(names, literals, max_size=4), st.randoms())
def test_the_order_of_arguments_is_nothing(name: str, arguments: dict[str, Any], rng: Any) -> None:
    shuffled = list(arguments.items())
    rng.shuffle(shuffled)
    assert Call(name, arguments) == Call(name, dict(shuffled))
    assert hash(Call(name, arguments)) == hash(Call(name, dict(shuffled)))


@given(calls, calls)
def test_equality_is_of_name_and_arguments(one: Call, other: Call) -> None:
    same_text = sorted(map(repr, one.arguments.items())) == sorted(map(repr, other.arguments.items()))
    if one.name == other.name and same_text:
        assert one == other
    if one.name != other.name or one.arguments.keys() != other.arguments.keys():
        assert one != other


@given(st.text())
def test_any_text_is_a_call_or_otto_s_error(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = Call.parse_all(text)
        except CallSyntaxError as error:
            assert 0 <= error.position <= len(text)
        else:
            assert all(Call.parse(str(call)) == call for call in found)


@given(st.text(st.sampled_from(list("fa=(),\"'\\[]{}1-.;\n #é*:None"))))
def test_any_text_near_a_call_is_a_call_or_otto_s_error(text: str) -> None:
    try:
        found = Call.parse_all(text)
    except CallSyntaxError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert all(Call.parse(str(call)) == call for call in found)


PARSED = [
    ("f()", Call("f")),
    ("f(a='x')", Call("f", {"a": "x"})),
    ('f(a="x",)', Call("f", {"a": "x"})),
    ("f(\n  a = 1,\n  b = -2.5\n)", Call("f", {"a": 1, "b": -2.5})),
    ('f(a="x" "y")', Call("f", {"a": "xy"})),
    ("f(a='''x\ny''')", Call("f", {"a": "x\ny"})),
    ("f(a=r'\\d')", Call("f", {"a": "\\d"})),
    ("f(a='\\d')", Call("f", {"a": "\\d"})),
    ("f(a=[1, [None, True]])", Call("f", {"a": [1, [None, True]]})),
    ("f(a=0x10, b=1_000, c=1e3)", Call("f", {"a": 16, "b": 1000, "c": 1000.0})),
    ("f(a='[[[')  # a comment", Call("f", {"a": "[[["})),
    ('f(a="é🎉")', Call("f", {"a": "é🎉"})),
]


@pytest.mark.parametrize(("text", "call"), PARSED)
def test_parsed(text: str, call: Call) -> None:
    assert Call.parse(text) == call


REFUSED = [
    ("", 0, "nothing"),
    ("   \n ", 0, "only space"),
    ("timer", 0, "no call"),
    ("f(1)", 2, "an argument without its name"),
    ('f("x")', 2, "an argument without its name"),
    ("f(*a)", 2, "unpacking"),
    ("f(**a)", 2, "unpacking"),
    ("f(a=b)", 4, "a name"),
    ("f(a=g())", 4, "a call inside"),
    ("f(a=1+1)", 4, "arithmetic"),
    ("f(a=--1)", 4, "two signs"),
    ("f(a=+1)", 4, "a needless sign"),
    ("f(a=-True)", 4, "minus True"),
    ("f(a=not 1)", 4, "an operator"),
    ("f(a=(1, 2))", 4, "a tuple"),
    ("f(a={1: 2})", 4, "a dictionary"),
    ("f(a={1})", 4, "a set"),
    ("f(a=b'x')", 4, "bytes"),
    ("f(a=1j)", 4, "a complex number"),
    ("f(a=...)", 4, "an ellipsis"),
    ("f(a=f'x')", 4, "a formatted string"),
    ("f(a=[x for x in y])", 4, "a comprehension"),
    ("f(a=lambda: 1)", 4, "a function"),
    ("f(a=1e999)", 0, "an infinity"),
    ("f(a=1, a=2)", 7, "one argument twice"),
    ("f(a=1)(b=2)", 0, "a call of a call"),
    ("x.f(a=1)", 0, "an attribute"),
    ("x = f(a=1)", 0, "an assignment"),
    ("import os", 0, "a statement"),
    ("await f()", 0, "an expression"),
    ("f(a=1) f(b=2)", 7, "two calls and nothing between"),
    ("f(a=1", 1, "an open bracket"),
    ('f(a="x)', 4, "an open string"),
    ("f(a=1))", 6, "a bracket too many"),
    ("é(a=1)", 0, "a name beyond ASCII"),
    ("f(é=1)", 0, "a parameter beyond ASCII"),
    ("f(a='\\ud800')", 0, "an escaped lone surrogate"),
    ("f(a='\ud800')", 5, "a lone surrogate"),
    ("f(a='\0')", 5, "a NUL"),
    ("f(a='\\N{NO SUCH NAME}')", 0, "an escape that names nothing"),
]


@pytest.mark.parametrize(("text", "position", "why"), REFUSED)
def test_refused(text: str, position: int, why: str) -> None:
    with pytest.raises(CallSyntaxError) as caught:
        Call.parse(text)
    assert str(caught.value).count(" at character ") == 1, why
    assert f"at character {caught.value.position}; write a call as" in str(caught.value), why
    if position:
        assert caught.value.position == position, why


def test_positions_count_characters_over_lines() -> None:
    text = '  f(a="é🎉")\ng(b=\n  "日本", c=x)'
    with pytest.raises(CallSyntaxError) as caught:
        Call.parse_all(text)
    assert text[caught.value.position] == "x"


def test_one_call_is_one_call() -> None:
    with pytest.raises(CallSyntaxError, match="expected one call, found 2"):
        Call.parse("f(); g()")


HOSTILE = {
    "parentheses": "(" * 100_000,
    "closed parentheses": "(" * 50_000 + ")" * 50_000,
    "calls in calls": "f(" * 50_000,
    "brackets": "f(a=" + "[" * 50_000 + "]" * 50_000 + ")",
    "brackets within the length": "f(a=" + "[" * 9_000 + "]" * 9_000 + ")",
    "minus signs": "f(a=" + "-" * 19_000 + "1)",
    "nots": "f(a=" + "not " * 4_000 + "1)",
    "lambdas": "f(a=" + "lambda:" * 2_000 + "1)",
    "digits": "f(a=" + "9" * 15_000 + ")",
    "powers": "f(a=" + "9**" * 5_000 + "9)",
    "attributes": "f(a=x" + ".x" * 9_000 + ")",
    "conditions": "f(a=" + "1 if 1 else " * 1_500 + "1)",
    "quotes": '"' * 19_999,
    "long text": 'f(a="' + "x" * 100_000 + '")',
    "backslashes": "f(a='" + "\\" * 19_000,
    "indentation": "\n".join(" " * depth + "f()" for depth in range(190)),
    "braces in a formatted string": "f(a=f'" + "{" * 18_000 + "')",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_refused_at_once(kind: str) -> None:
    with pytest.raises(CallSyntaxError):
        Call.parse(HOSTILE[kind])


def test_limits_are_where_they_are_said_to_be() -> None:
    within = "f(a=" + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + ")"
    assert str(Call.parse(within)) == within
    with pytest.raises(CallSyntaxError, match="too many brackets"):
        Call.parse("f(a=" + "[" * MAX_DEPTH + "]" * MAX_DEPTH + ")")
    assert len(Call.parse('f(a="' + "x" * (MAX_LENGTH - 7) + '")').arguments["a"]) == MAX_LENGTH - 7


NOT_LITERALS = [{1}, {"a": 1}, b"x", 1j, object, float("nan"), float("inf"), "\ud800", [["\udfff"]], 10**1000]


@pytest.mark.parametrize("value", NOT_LITERALS, ids=repr)
def test_what_cannot_be_written_is_refused(value: Any) -> None:
    with pytest.raises(CallSyntaxError):
        Call("f", {"a": value})


@pytest.mark.parametrize("name", ["", "1a", "a b", "class", "None", "a.b", "é", "a-b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(CallSyntaxError, match="is not a name"):
        Call(name)
    with pytest.raises(CallSyntaxError, match="is not a name"):
        Call("f", {name: 1})


def test_a_tuple_becomes_a_list_and_arguments_are_copied() -> None:
    given_arguments: dict[str, Any] = {"a": (1, 2)}
    call = Call("f", given_arguments)
    given_arguments["a"] = 0
    assert call.arguments == {"a": [1, 2]}


DIFFERENT = [
    ("f(a=1)", "g(a=1)"),
    ("f(a=1)", "f(b=1)"),
    ("f(a=1)", "f()"),
    ("f(a=1)", "f(a=True)"),
    ("f(a=0)", "f(a=False)"),
    ("f(a=[1])", "f(a=[True])"),
    ("f(a=1)", 'f(a="1")'),
    ("f(a=None)", "f()"),
    ("f(a=[1, 2])", "f(a=[2, 1])"),
    ('f(a="x")', 'f(a="X")'),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_calls(one: str, other: str) -> None:
    assert Call.parse(one) != Call.parse(other)


def test_a_call_is_no_text_and_an_integral_float_is_its_integer() -> None:
    assert Call("f") != "f()"
    assert Call.parse("f(a=1.0)") == Call.parse("f(a=1)")


@pytest.fixture
def shouting() -> Any:
    """A resolver whose one skill, `say`, takes words in any case and refuses the empty text."""

    def canonical(arguments: Any) -> dict[str, str]:
        if not arguments["words"]:
            raise ValueError("empty")
        return {"words": arguments["words"].upper()}

    from otto.call import _resolver

    set_resolver(lambda name: canonical if name == "say" else None)
    yield
    set_resolver(_resolver)


@pytest.mark.usefixtures("shouting")
def test_equality_applies_the_normalisers_of_an_installed_skill() -> None:
    assert Call.parse('say(words="hi")') == Call.parse('say(words="HI")')
    assert Call.parse('whisper(words="hi")') != Call.parse('whisper(words="HI")')
    assert Call.parse('say(words="")') == Call.parse('say(words="")'), "what is refused equals itself"
    assert Call.parse('say(words="")') != Call.parse('say(words="x")')
    assert Call.parse("say(other=1)") != Call.parse('say(words="x")')


def test_equality_of_a_bundled_skill() -> None:
    assert Call.parse('timer(duration="five minutes")') == Call.parse('timer(duration="5 minutes")')
    assert Call.parse('timer(duration="five minutes")') != Call.parse('timer(duration="6 minutes")')


def test_the_public_face() -> None:
    assert otto.Call is Call and otto.CallSyntaxError is CallSyntaxError
