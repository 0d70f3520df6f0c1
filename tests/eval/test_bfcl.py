"""BFCL's rules: the expectations are those of BFCL's own ast_checker.py (see eval/bfcl.py), not of the code under test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.bfcl import Entry, fault_of, fault_of_value, python_name, verdict
from eval.bfcl_files import read_bfcl, spec_of_function
from otto.call import Call
from otto.messages import Route

AREA = {
    "name": "geometry.area",
    "description": "The area of a triangle.",
    "parameters": {
        "type": "dict",
        "properties": {
            "base": {"type": "integer", "description": "The base."},
            "height": {"type": "float", "description": "The height."},
            "unit": {"type": "string", "description": "The unit.", "enum": ["units", "cm"]},
            "from": {"type": "string", "description": "A keyword of Python."},
        },
        "required": ["base", "height"],
    },
}
AREA_ANSWER = {"geometry.area": {"base": [10], "height": [5.0, 6.0], "unit": ["units", ""], "from": [""]}}
PLAY = {
    "name": "play",
    "description": "Play a song.",
    "parameters": {"type": "dict", "properties": {"artist": {"type": "string"}, "minutes": {"type": "integer"}}, "required": ["artist"]},
}


@pytest.mark.parametrize(
    ("calls", "fault", "why"),
    [
        ("geometry_area(base=10, height=5.0)", None, "what may be left out is"),
        ("geometry_area(height=6.0, base=10)", None, "the order does not matter; the second of the possible values"),
        ("geometry_area(base=10, height=5)", None, "an int is taken for a float"),
        ('geometry_area(base=10, height=5, unit="Units")', None, "strings without case"),
        ('geometry_area(base=10, height=5, unit="un-its")', None, "and without marks"),
        ("geometry_area(base=10.0, height=5)", "type_error:simple", "a float is not taken for an int"),
        ("geometry_area(base=True, height=5)", "type_error:simple", "a truth value is no int"),
        ('geometry_area(base="10", height=5)', "type_error:simple", "a string is no int"),
        ("geometry_area(base=11, height=5)", "value_error:others", "another value"),
        ('geometry_area(base=10, height=5, unit="cm")', "value_error:string", "declared, and not among the possible values"),
        ("geometry_area(base=10)", "simple_function_checker:missing_required", "required"),
        ("geometry_area(base=10, height=5, colour=3)", "simple_function_checker:unexpected_param", "an unknown parameter"),
        ("area(base=10, height=5)", "simple_function_checker:wrong_func_name", "another function"),
        ("geometry_area(base=10, height=5); geometry_area(base=10, height=5)", "simple_function_checker:wrong_count", "one call too many"),
        ("", "simple_function_checker:wrong_count", "no call"),
    ],
)
def test_simple(calls: str, fault: str | None, why: str) -> None:
    assert fault_of(Entry("simple_python", (AREA,), (AREA_ANSWER,)), parsed(calls)) == fault, why


@pytest.mark.parametrize(
    ("declared", "value", "possible", "fault", "why"),
    [
        ({"type": "string"}, "April 1, 2024", ["april 1 2024"], None, "marks, spaces and case do not count"),
        ({"type": "string"}, "it's", ['it"s'], None, "a single quote is a double one"),
        ({"type": "string"}, "x+y", ["xy"], "value_error:string", "a plus is no mark that is left out"),
        ({"type": "any"}, "five", ["five"], None, "any is a string"),
        ({"type": "any"}, 5, [5], None, "but the possible values have the last word on the type"),
        ({"type": "integer"}, "n", ["n"], None, "a variable in place of a value"),
        ({"type": "integer"}, "N", ["n"], "value_error:others", "a variable is compared as it is"),
        ({"type": "boolean"}, True, [True], None, "a truth value"),
        ({"type": "boolean"}, 1, [True], "type_error:simple", "1 is none"),
        ({"type": "array", "items": {"type": "string"}}, ["New York", "L.A."], [["new york", "la"]], None, "strings in lists, too"),
        ({"type": "array", "items": {"type": "string"}}, ["la", "new york"], [["new york", "la"]], "value_error:list/tuple", "their order matters"),
        ({"type": "array", "items": {"type": "integer"}}, [3, 5], [[5, 3], [3, 5]], None, "any of the possible lists"),
        ({"type": "array", "items": {"type": "integer"}}, [3, "5"], [[3, 5]], "type_error:nested", "an item of another type"),
        ({"type": "array", "items": {"type": "float"}}, [3, 5], [[3.0, 5.0]], "type_error:nested", "an int in a list is not taken for a float"),
        ({"type": "tuple", "items": {"type": "float"}}, [3.0, 5.0], [[3.0, 5.0]], None, "a tuple is a list in JSON"),
        ({"type": "array", "items": {"type": "integer"}}, 3, [[3]], "type_error:simple", "no list"),
        ({"type": "dict"}, "x", [{"x": [1]}], "type_error:simple", "a dictionary is never said"),
        ({"type": "string"}, None, ["x"], "type_error:simple", "None is no string"),
    ],
)
def test_values(declared: dict[str, Any], value: Any, possible: list[Any], fault: str | None, why: str) -> None:
    assert fault_of_value(declared, value, possible) == fault, why


SONGS = ({"play": {"artist": ["Taylor Swift"], "minutes": [20]}}, {"play": {"artist": ["Maroon 5"], "minutes": [15, ""]}})


@pytest.mark.parametrize(
    ("calls", "fault", "why"),
    [
        ('play(artist="Taylor Swift", minutes=20); play(artist="Maroon 5", minutes=15)', None, "both"),
        ('play(artist="Maroon 5"); play(artist="Taylor Swift", minutes=20)', None, "in any order"),
        ('play(artist="Taylor Swift", minutes=20)', "parallel_function_checker_no_order:wrong_count", "one is missing"),
        ('play(artist="Taylor Swift", minutes=20); play(artist="Taylor Swift", minutes=20)', "parallel_function_checker_no_order:cannot_find_match", "one twice"),
        ('play(artist="Taylor Swift"); play(artist="Maroon 5")', "parallel_function_checker_no_order:cannot_find_match", "minutes may not be left out of the first"),
    ],
)
def test_parallel(calls: str, fault: str | None, why: str) -> None:
    assert fault_of(Entry("parallel", (PLAY,), SONGS), parsed(calls)) == fault, why


def test_multiple_takes_one_call_of_the_right_function() -> None:
    entry = Entry("live_multiple", (AREA, PLAY), ({"play": {"artist": ["Maroon 5"], "minutes": [""]}},))
    assert fault_of(entry, parsed('play(artist="Maroon 5")')) is None
    assert fault_of(entry, parsed("geometry_area(base=1, height=2)")) == "simple_function_checker:wrong_func_name"
    assert fault_of(entry, parsed("")) == "multiple_function_checker:wrong_count"
    assert fault_of(entry, parsed('play(artist="Maroon 5", minutes=3)')) == "value_error:others"


@pytest.mark.parametrize(
    ("category", "calls", "right"),
    [
        ("irrelevance", [], True),
        ("irrelevance", None, True),  # BFCL: what cannot be read as a call is none
        ("irrelevance", [Call("play", {"artist": "x"})], False),
        ("live_relevance", [Call("play", {"artist": "x"})], True),
        ("live_relevance", [], False),
        ("live_relevance", None, False),
        ("simple_python", None, False),
    ],
)
def test_relevance(category: str, calls: list[Call] | None, right: bool) -> None:
    answers = (AREA_ANSWER,) if category == "simple_python" else ()
    assert (fault_of(Entry(category, (PLAY,), answers), calls) is None) is right


def test_a_call_that_its_router_found_invalid_is_judged_all_the_same() -> None:
    entry = Entry("irrelevance", (PLAY,))
    nothing = (Call("other"),)
    assert verdict(entry, Route("", nothing, 1.0, "x", 0.0)).exact
    assert verdict(entry, Route("", nothing, 0.0, "x", 0.0, invalid="I cannot do that.")).exact
    called = verdict(entry, Route("", nothing, 0.0, "x", 0.0, invalid='unknown(a="b")'))
    assert not called.exact and called.false_call
    assert not verdict(entry, Route("", (), 0.0, "x", 0.0)).exact  # the router failed


def test_arguments_are_counted_by_their_values() -> None:
    entry = Entry("simple_python", (AREA,), (AREA_ANSWER,))
    found = verdict(entry, Route("", (Call("geometry_area", {"base": 10, "height": 7.5, "unit": "units"}),), 1.0, "x", 0.0))
    assert (found.exact, found.skill, found.tp, found.fp, found.fn) == (False, True, 2, 1, 1)
    missed = verdict(entry, Route("", (Call("other"),), 1.0, "x", 0.0))
    assert (missed.missed_call, missed.tp, missed.fp, missed.fn) == (True, 0, 0, 2)


@given(st.permutations(range(4)), st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_parallel_does_not_depend_on_order(order: Sequence[int], minutes: list[int]) -> None:
    answers = tuple({"play": {"artist": [f"singer {number}"], "minutes": [minute]}} for number, minute in enumerate(minutes))
    calls = [Call("play", {"artist": f"Singer{number}", "minutes": minute}) for number, minute in enumerate(minutes)]
    assert fault_of(Entry("parallel", (PLAY,), answers), [calls[index] for index in order]) is None


# Files


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two questions and their answers, as BFCL publishes them."""
    questions = [
        {"id": "simple_python_0", "question": [[{"role": "user", "content": "The area of a triangle\nof 10 by 5?"}]], "function": [AREA]},
        {"id": "simple_python_1", "question": [[{"role": "user", "content": "And of 10 by 6"}]], "function": [AREA]},
    ]
    answers = [{"id": item["id"], "ground_truth": [AREA_ANSWER]} for item in questions]
    write(tmp_path / "BFCL_v4_simple_python.json", questions)
    write(tmp_path / "possible_answer" / "BFCL_v4_simple_python.json", answers)
    return tmp_path


def test_reading(files: Path) -> None:
    read = read_bfcl([str(files / "BFCL_v4_simple_python.json")])
    assert read.problems == [] and read.impossible == []
    assert [(case.id, case.text, str(case.gold[0][0])) for case in read.cases] == [
        ("simple_python_0", "The area of a triangle of 10 by 5?", "geometry_area(base=10, height=5.0)"),
        ("simple_python_1", "And of 10 by 6", "geometry_area(base=10, height=5.0)"),
    ]
    spec = read.skills["simple_python_0"].get("geometry_area")
    assert spec.signature == 'geometry_area(base: int, height: float, unit: Literal["units", "cm"] | None = None, from_: str | None = None)'
    assert len(read.data) == 2


def test_what_nothing_said_can_become_is_left_out_and_counted(tmp_path: Path) -> None:
    properties = {"where": {"type": "dict", "properties": {}}, "grid": {"type": "array", "items": {"type": "array"}}, "names": {"type": "array", "items": {"type": "string"}}}
    function = {"name": "f", "description": "", "parameters": {"type": "dict", "properties": properties, "required": ["where"]}}
    assert spec_of_function(function).signature == "f(names: list[str] | None = None)"
    write(tmp_path / "a.json", [{"id": "multiple_0", "question": [[{"role": "user", "content": "x"}]], "function": [function]}])
    write(tmp_path / "possible_answer" / "a.json", [{"id": "multiple_0", "ground_truth": [{"f": {"where": [{"x": [1]}], "grid": [""], "names": [""]}}]}])
    assert read_bfcl([str(tmp_path / "a.json")]).impossible == ["multiple_0"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "this is not JSON"),
        ("[1]", "this is not a JSON object"),
        ({"question": [[{"role": "user", "content": "x"}]]}, "id is missing"),
        ({"id": "simple_java_0"}, "of the category simple_java, which is not read"),
        ({"id": "multi_turn_base_0"}, "of the category multi_turn_base, which is not read"),
        ({"id": "irrelevance_0", "question": [[{"content": "x"}], [{"content": "y"}]], "function": [PLAY]}, "there are 2 turns"),
        ({"id": "irrelevance_0", "question": [[{"content": " "}]], "function": [PLAY]}, "the question is empty"),
        ({"id": "irrelevance_0", "question": [[{"content": "x"}]], "function": [{"name": "f"}]}, "not described as BFCL does"),
        ({"id": "irrelevance_0", "question": [[{"content": "x"}]], "function": [PLAY, PLAY]}, "two functions have one name"),
        ({"id": "irrelevance_0", "question": [[{"content": "x"}]], "function": [{"name": "f", "parameters": {"properties": {"a": {"type": "HashMap"}}}}]}, "a is of the type HashMap"),
        ({"id": "multiple_0", "question": [[{"content": "x"}]], "function": [PLAY]}, "the answers are missing"),
    ],
)
def test_bad_rows_are_named_with_their_line(row: Any, what: str, tmp_path: Path) -> None:
    good = {"id": "irrelevance_9", "question": [[{"role": "user", "content": "x"}]], "function": [PLAY]}
    file = tmp_path / "x.json"
    file.write_text(json.dumps(good) + "\n" + (row if isinstance(row, str) else json.dumps(row)) + "\n", encoding="utf-8")
    read = read_bfcl([str(file)])
    assert [case.id for case in read.cases] == ["irrelevance_9"]
    (problem,) = read.problems
    assert problem.where == f"{file}:2" and what in problem.what


def test_answers_that_do_not_fit(files: Path) -> None:
    write(files / "possible_answer" / "BFCL_v4_simple_python.json", [{"id": "simple_python_0", "ground_truth": [{"sin": {}}]}])
    problems = read_bfcl([str(files / "BFCL_v4_simple_python.json")]).problems
    assert ["does not fit its functions" in problems[0].what, "has no answer for simple_python_1" in problems[1].what] == [True, True]


@pytest.mark.parametrize(("name", "wanted"), [("a.b", "a_b"), ("from", "from_"), ("año", "a_o"), ("plain", "plain")])
def test_names(name: str, wanted: str) -> None:
    assert python_name(name) == wanted


def test_a_run_over_bfcls_files(files: Path, tmp_path: Path) -> None:
    """Through measure: each case with its own functions, judged by BFCL's rules, and the row is BFCL's verdict."""
    from eval.measure import Options, measure
    from otto.config import load_settings
    from otto.errors import UsageError

    class Router:
        name = "made"
        shown: tuple[str, ...] = ()

        def route(self, text: str) -> Route:
            assert self.shown == ("geometry_area",)
            return Route(text, (Call("geometry_area", {"base": 10, "height": 5, "unit": "UNITS"} if "of 10 by 5" in text else {"base": 1}),), 1.0, self.name, 0.0)

        def update(self, registry: Any) -> None:
            self.shown = tuple(registry.specs)

    settings = load_settings(environ={"OTTO_HOME": str(tmp_path / "home")})
    file = str(files / "BFCL_v4_simple_python.json")
    summary = measure(Options((file,), router="made", scorer="bfcl"), settings, tmp_path / "run", opener=lambda registry, own: Router()).summary
    assert (summary["n"], summary["exact_match"]["value"], summary["skill_accuracy"]["value"]) == (2, 0.5, 1.0)
    with pytest.raises(UsageError, match="BFCL's files bring their own functions"):
        measure(Options((file,), router="phrases", scorer="bfcl", candidates=3), settings, tmp_path / "other")
    with pytest.raises(UsageError, match="no scorer bleu"):
        measure(Options((file,), router="phrases", scorer="bleu"), settings, tmp_path / "other")


def parsed(calls: str) -> list[Call]:
    return list(Call.parse_all(calls)) if calls else []


def write(file: Path, rows: Sequence[Any]) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
