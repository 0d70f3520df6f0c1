"""Cases are read whole, or all that is wrong with them is said at once, with file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.cases import Case, sampled
from eval.reading import Read, read_cases
from eval.skillset import Skillset, relaxed, require_candidates, taught
from otto import Call, Duration
from otto.errors import Problems, UsageError
from otto.registry import Registry
from otto.skill import declare

ROOT = Path(__file__).resolve().parents[2]


def timer(duration: Duration) -> None:
    """Set a timer."""


def notes(action: Literal["add", "list"], note: str = "") -> None:
    """Keep notes."""


def other() -> None:
    """No skill fits."""


INSTALLED = Registry.of([declare(timer), declare(notes), declare(other)])


@pytest.fixture
def signatures(tmp_path: Path) -> Registry:
    parameters = [
        {"name": "city", "type": "string", "required": True},
        {"name": "bags", "type": "string", "enum": ["0", "1", "2"]},
    ]
    skills = [{"name": "fly", "description": "Book a flight.", "parameters": parameters}]
    skills += [{"name": f"skill_{number}", "description": "Something else."} for number in range(5)]
    (tmp_path / "skills.json").write_text(json.dumps({"skills": skills}), encoding="utf-8")
    return Registry.from_json(tmp_path / "skills.json")


def row(id: str = "a", text: str | None = "fly to Oslo", call: Any = None, **more: Any) -> dict[str, Any]:
    return {"id": id, "text": text, "call": call, **more}


def read(folder: Path, registry: Registry, *rows: Any, name: str = "cases.jsonl") -> Read:
    lines = [item if isinstance(item, str) else json.dumps(item) for item in rows]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_cases([str(folder / name)], registry)


def faults(found: Read) -> list[str]:
    """`line: what is wrong` of each problem."""
    return [f"{problem.where.rpartition(':')[2]}: {problem.what}" for problem in [*found.lost, *found.problems]]


# --- rows


def test_a_row_of_public_data(tmp_path: Path, signatures: Registry) -> None:
    slots = [{"name": "city", "value": "Oslo", "start": 7, "end": 11}, {"name": "bags", "value": "zero", "normalized": "0", "start": 17, "end": 21}]
    call = {"name": "fly", "arguments": {"city": "Oslo", "bags": "zero"}}
    found = read(tmp_path, signatures, row(text="Fly to Oslo with zero bags", call=call, skill={"name": "fly"}, slots=slots))
    found.require()
    (case,) = found.cases
    # the words that were said, or the choice that they mean
    assert case.gold == ((Call("fly", {"city": "Oslo", "bags": "zero"}),), (Call("fly", {"city": "Oslo", "bags": "0"}),))
    assert case.group == "fly: fly to {city} with {bags} bags"
    assert (case.where, case.stray) == (f"{tmp_path / 'cases.jsonl'}:1", False)
    assert len(found.data[str(tmp_path / "cases.jsonl")]) == 64


GOLDS: list[tuple[dict[str, Any], list[str]]] = [
    ({"call": None}, ["other()"]),
    ({"call": None, "skill": None}, ["other()"]),
    ({"call": {"name": "timer", "arguments": {"duration": "5 minutes"}}}, ['timer(duration="5 minutes")']),
    ({"call": 'timer(duration="5 minutes")', "skill": {"name": "timer"}}, ['timer(duration="5 minutes")']),
    ({"call": "other()"}, ["other()"]),
    ({"call": {"name": "timer", "arguments": {"duration": ["5 minutes", "1 hour"]}}}, []),  # refused: the skill is installed
    ({"calls": ['notes(action="list")', {"name": "timer", "arguments": {"duration": "1 hour"}}]}, ['notes(action="list"); timer(duration="1 hour")']),
    ({"call": 'notes(action="list"); timer(duration="1 hour")'}, ['notes(action="list"); timer(duration="1 hour")']),
    ({"call": 'notes(action="list")', "alternatives": [None, 'notes(action="add", note="x")']}, ['notes(action="list")', "other()", 'notes(action="add", note="x")']),
]  # fmt: skip


@pytest.mark.parametrize(("given_row", "gold"), GOLDS)
def test_what_is_right(given_row: dict[str, Any], gold: list[str], tmp_path: Path) -> None:
    found = read(tmp_path, INSTALLED, {"id": "a", "text": "x", **given_row})
    assert ["; ".join(map(str, calls)) for case in found.cases for calls in case.gold] == gold
    assert bool(found.problems) is (not gold)


def test_what_a_row_may_say_beside_it(tmp_path: Path) -> None:
    found = read(tmp_path, INSTALLED, row(text="  two \n words ", ordered=True, group="g", speaker_cluster="c1", snr=6), row("b", speaker_cluster="c2"))
    found.require()
    assert [(case.text, case.ordered, case.group, case.snr) for case in found.cases] == [("two words", True, "g", 6.0), ("fly to Oslo", False, "c2", None)]


BAD: list[tuple[str, Any, str]] = [
    ("cut short", '{"id": "a", "text"', "this is not JSON"),
    ("no object", "[1, 2]", "this is not a JSON object"),
    ("deep", "[" * 100_000, "this is not JSON"),
    ("no id", {"text": "x", "call": None}, "id is missing"),
    ("empty id", row(""), "id is missing"),
    ("a number for an id", row(7), "id is 7"),  # type: ignore[arg-type]
    ("no text", {"id": "a", "call": None}, "text is missing"),
    ("null text and no audio", row(text=None), "text is missing"),
    ("text of another type", row(text=["x"]), 'text is ["x"]'),  # type: ignore[arg-type]
    ("half a character", '{"id": "a", "text": "\\ud83d", "call": null}', "text holds half a character"),
    ("no call", {"id": "a", "text": "x"}, "call is missing"),
    ("call of another type", row(call=7), "call is 7"),
    ("call without a name", row(call={"arguments": {}}), 'call is {"arguments": {}}'),
    ("call that is none", row(call="timer(5)"), "call: an argument needs its name"),
    ("name that is none", row(call={"name": "set timer"}), "'set timer' is not a name"),
    ("no calls", row(call=[]), "calls is empty"),
    ("unknown skill", row(call="tea()"), "there is no skill tea"),
    ("unknown parameter", row(call='timer(colour="red")'), "timer has no parameter colour"),
    ("value that the skill does not take", row(call='timer(duration="blue")'), "duration='blue' does not fit"),
    ("required parameter missing", row(call="timer()"), "timer needs duration"),
    ("other with arguments", row(call='other(why="x")'), "other() takes no arguments"),
    ("skill and call differ", row(call='notes(action="list")', skill={"name": "timer"}), 'skill is "timer", and call is of notes'),
    ("skill without a call", row(skill={"name": "timer"}), 'skill is "timer", and call is of other'),
    ("bad alternative", row(alternatives=["tea()"]), "there is no skill tea"),
    ("alternatives of another type", row(alternatives="other()"), 'alternatives is "other()"'),
    ("order of another type", row(ordered="yes"), 'ordered is "yes"'),
    ("noise that is no number", row(snr="loud"), 'snr is "loud"'),
    ("noise that is not finite", '{"id": "a", "text": "x", "call": null, "snr": Infinity}', "snr is Infinity"),
    ("missing recording", row(text=None, audio="none.wav"), "none.wav does not exist"),
]


@pytest.mark.parametrize(("why", "line", "says"), BAD, ids=[item[0] for item in BAD])
def test_a_bad_row_is_named(why: str, line: Any, says: str, tmp_path: Path) -> None:
    found = read(tmp_path, INSTALLED, row("first"), line)
    assert [case.id for case in found.cases] == ["first"]
    assert found.problems and all(problem.where == f"{tmp_path / 'cases.jsonl'}:2" and problem.mend for problem in found.problems)
    assert any(says in problem.what for problem in found.problems), [problem.what for problem in found.problems]


def test_all_that_is_wrong_is_said_before_anything_runs(tmp_path: Path) -> None:
    found = read(tmp_path, INSTALLED, "{", row("a"), row("a"), row("b", text="", call="tea()"))
    with pytest.raises(Problems) as caught:
        found.require()
    lines = str(caught.value).splitlines()
    assert lines[0] == "The cases have 4 problems, and nothing was run; mend them or leave these rows out with --skip-bad:"
    assert faults(found)[1:] == ["3: the id a also stands at " + f"{tmp_path / 'cases.jsonl'}:2", "4: text is missing", "4: there is no skill tea"]
    found.require(skip_bad=True)
    assert [case.id for case in found.cases] == ["a"]


def test_ids_are_the_only_ones_over_all_files(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        read(tmp_path, INSTALLED, row("a"), name=name)
    found = read_cases([str(tmp_path)], INSTALLED)
    assert [problem.what for problem in found.problems] == [f"the id a also stands at {tmp_path / 'one.jsonl'}:1"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.jsonl").write_bytes(b'{"id": "\xff", "text": "x", "call": null}\n')
    (tmp_path / "empty").mkdir()
    found = read_cases([str(tmp_path / "none.jsonl"), str(tmp_path / "bytes.jsonl"), str(tmp_path / "empty")], INSTALLED)
    assert [problem.what for problem in found.lost] == ["this cannot be read (No such file or directory)", "this folder has no labels.jsonl"]
    assert [problem.what for problem in found.problems] == ["this is not UTF-8"]


def test_nothing_is_left_of_bad_rows_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There are no cases"):
        read(tmp_path, INSTALLED, "{").require(skip_bad=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [("none.jsonl", None), ("form.txt", "#### Examples:\n\n### User: stop\n### Assistant: timer(\n"), ("bytes.txt", b"\xff")],
)
def test_a_whole_file_is_never_left_out(tmp_path: Path, name: str, text: str | bytes | None) -> None:
    read(tmp_path, INSTALLED, row("a"))
    if text is not None:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    found = read_cases([str(tmp_path / "cases.jsonl"), str(tmp_path / name)], INSTALLED)
    assert [case.id for case in found.cases] == ["a"]
    with pytest.raises(Problems, match="The cases have one problem, and nothing was run"):
        found.require(skip_bad=True)


def test_a_row_with_two_problems_is_one_bad_row(tmp_path: Path) -> None:
    found = read(tmp_path, INSTALLED, row("a"), row("b", text="", call="tea()"))
    assert (len(found.problems), found.bad_rows) == (2, 1)


def test_a_skill_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    assert read(tmp_path, INSTALLED, row(call="timers()")).problems[0].mend == "did you mean timer?"


def test_signatures_are_held_to_their_names_alone(tmp_path: Path, signatures: Registry) -> None:
    """Public data leaves out what is required, and has two values where there is room for one."""
    read(tmp_path, signatures, row(call={"name": "fly", "arguments": {"bags": ["1", "7"]}})).require()


@given(st.one_of(st.text(), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda more: st.lists(more) | st.dictionaries(st.sampled_from(["id", "text", "call", "calls", "skill", "name", "arguments", "slots", "alternatives", "group", "audio", "start", "end"]), more)).map(json.dumps)))  # fmt: skip
def test_any_line_is_read_or_refused(line: str) -> None:
    from eval.reading import _RowReader

    reader = _RowReader("x:1", ROOT / "x", INSTALLED)
    case = reader.read(line.encode("utf-8", "surrogatepass"))
    assert reader.faults or (case is not None and case.id and case.gold and all(case.gold))


# --- recordings


def sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])


def test_a_folder_of_recordings(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    sound(tmp_path / "b.wav")
    (tmp_path / "b.wav").write_bytes(b"RIFF" + bytes(100))
    found = read(tmp_path, INSTALLED, row("a", None, audio="a.wav", speaker_cluster="c1"), row("b", None, audio="b.wav"), name="labels.jsonl")
    found = read_cases([str(tmp_path)], INSTALLED)
    assert [(case.id, case.audio, case.group) for case in found.cases] == [("a", tmp_path / "a.wav", "c1")]
    assert faults(found) == [f"2: {tmp_path / 'b.wav'} is not a sound file or is damaged"]


# --- example files

EXAMPLES = """#### Prompt:
timer(duration="[duration]") sets a timer.

#### Examples:

### User: Set a timer for one minute
### Assistant: timer(duration="1 minute")

### User: (start|set) a timer for {duration}
### Assistant: timer(duration="{duration}")

### User: the dog is asleep
### Assistant: other()
"""


def test_an_example_file(tmp_path: Path) -> None:
    (tmp_path / "timer_examples.txt").write_text(EXAMPLES, encoding="utf-8")
    found = read_cases([str(tmp_path / "timer_examples.txt")], INSTALLED)
    found.require()
    assert [case.id for case in found.cases] == ["timer_examples:7", "timer_examples:10.1", "timer_examples:10.2", "timer_examples:13"]
    assert [case.text.split()[0] for case in found.cases] == ["Set", "start", "set", "the"]
    assert [case.group for case in found.cases] == ["", *["timer:(start|set) a timer for {duration}"] * 2, ""]
    assert [case.stray for case in found.cases] == [False, False, False, True]


def test_a_bad_example_file(tmp_path: Path) -> None:
    bad = EXAMPLES.replace("other()", "tea()").replace("1 minute", "blue") + "### User: nothing below\n"
    (tmp_path / "x.txt").write_text(bad, encoding="utf-8")
    assert faults(read_cases([str(tmp_path / "x.txt")], INSTALLED)) == ["14: there is no call for this"]
    (tmp_path / "x.txt").write_text(bad.rpartition("### User")[0], encoding="utf-8")
    assert faults(read_cases([str(tmp_path / "x.txt")], INSTALLED))[0].startswith("7: duration='blue' does not fit")
    assert faults(read_cases([str(tmp_path / "x.txt")], INSTALLED))[1] == "13: there is no skill tea"


@pytest.mark.parametrize("name", ["timer", "notes", "other"])
def test_the_bundled_examples_are_cases(name: str) -> None:
    found = read_cases([str(ROOT / "examples" / f"{name}_examples.txt")], Registry.load())
    found.require()
    assert len(found.cases) >= 200


# --- what is drawn


def cases(count: int) -> list[Case]:
    return [Case(f"id {number}", "x", ((Call("fly", {"city": "Oslo"}),),)) for number in range(count)]


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 3))
def test_a_draw_keeps_the_order_and_grows(count: int, limit: int, seed: int) -> None:
    every = cases(count)
    drawn = sampled(every, limit, seed)
    assert len(drawn) == min(limit, count)
    assert [case for case in every if case in drawn] == drawn
    assert set(drawn) <= set(sampled(every, limit + 1, seed))


def test_another_seed_draws_others() -> None:
    assert sampled(cases(100), 10, 0) != sampled(cases(100), 10, 1)
    assert sampled(cases(5), None, 0) == cases(5)


def test_candidates_hold_the_right_skill_among_others(signatures: Registry) -> None:
    skillset = Skillset(signatures, candidates=3, seed=1)
    shown = [list(skillset.for_case(case).specs) for case in cases(40)]
    assert all("fly" in names and len(names) == 3 for names in shown)
    assert {names.index("fly") for names in shown} == {0, 1, 2}  # its place tells nothing
    assert len({tuple(names) for names in shown}) > 10
    assert shown == [list(skillset.for_case(case).specs) for case in cases(40)]
    assert shown != [list(Skillset(signatures, 3, seed=2).for_case(case).specs) for case in cases(40)]


def test_stray_talk_sees_as_many_skills(signatures: Registry) -> None:
    stray = Case("a", "x", ((Call("other"),),))
    assert len(Skillset(signatures, candidates=3).for_case(stray)) == 3
    assert Skillset(signatures).for_case(stray) is signatures
    installed = Skillset(INSTALLED, candidates=2).for_case(stray)
    assert set(installed.specs) == {"timer", "notes", "other"}


@pytest.mark.parametrize("count", [1, 7])
def test_candidates_that_there_are_not(count: int, signatures: Registry) -> None:
    with pytest.raises(UsageError, match="give a number from 2 to 6"):
        require_candidates(count, signatures)


def test_a_training_file_becomes_examples(signatures: Registry) -> None:
    lessons = [*cases(2), Case("s", "hello", ((Call("other"),),)), Case("m", "both", ((Call("fly"), Call("skill_1")),))]
    registry = taught(signatures, lessons)
    assert {name: len(spec.examples) for name, spec in registry.specs.items() if spec.examples} == {"fly": 2, "other": 1}
    assert "other" not in taught(signatures, cases(1)).specs


def test_what_the_cases_leave_out_is_optional(signatures: Registry) -> None:
    registry, names = relaxed(signatures, [Case("a", "x", ((Call("fly", {"bags": "1"}),),))])
    assert names == ["fly.city"]
    assert registry.get("fly").validate(Call("fly", {"bags": "1"})) == {"bags": "1"}
    assert relaxed(signatures, cases(3)) == (signatures, [])
    assert relaxed(INSTALLED, [Case("a", "x", ((Call("timer"),),))]) == (INSTALLED, [])


def test_the_cases_of_the_documents_are_read(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "eval.md").read_text("utf-8")
    (tmp_path / "cases.jsonl").write_text(text.split("```json\n")[1].split("```")[0], encoding="utf-8")
    found = read_cases([str(tmp_path / "cases.jsonl")], Registry.load())
    found.require()
    assert [(case.stray, case.ordered, len(case.gold), len(case.gold[0])) for case in found.cases] == [
        (False, False, 1, 1), (True, False, 1, 1), (False, True, 1, 2), (False, False, 2, 1),
    ]  # fmt: skip
