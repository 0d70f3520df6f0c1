"""@skill: declarations, refusals, and calls made canonical."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from strategies import calls_of, skill_specs

from otto import Call, Context, Duration, InvalidCall, Number, skill
from otto.errors import SkillDeclarationError
from otto.registry import Registry
from otto.skill import DEFAULT_DEADLINE, Example, Risk, SkillSpec, check_example, declare, spec_of

HERE = Path(__file__)


def load(tmp_path: Path, source: str) -> Registry:
    """A registry of one file in a user's folder."""
    (tmp_path / "mine.py").write_text(
        "from typing import Literal\nfrom otto import skill, Context, Duration\n" + textwrap.dedent(source),
        encoding="utf-8",
    )
    return Registry.from_folder(tmp_path)


def test_a_function_and_its_docstring_are_the_declaration() -> None:
    @skill(examples={"set a timer for five minutes": 'timer(duration="5 minutes")'}, read_only=True, deadline=3)
    def timer(duration: Duration, label: str = "") -> str:
        """Set a timer
        for a duration.

        More that nobody reads.

        Args:
            duration: how long.
            label: what it is called.
        """
        return f"{duration} {label}"

    spec = spec_of(timer)
    assert spec is not None
    assert spec.signature == "timer(duration: Duration, label: str = '')"
    assert spec.description == "Set a timer for a duration."
    assert [parameter.description for parameter in spec.parameters] == ["how long.", "what it is called."]
    assert spec.risk == Risk(read_only=True) and spec.deadline == 3 and not spec.takes_context
    assert spec.examples == (
        Example("set a timer for five minutes", Call("timer", {"duration": "5 minutes"}), spec.where),
    )
    assert spec.file == HERE and spec.where.startswith("test_skill.py:") and spec.target is timer
    assert timer(Duration("5 minutes"), "tea") == "5 minutes tea", "it stays callable as it was"


def test_bare_decorator_async_function_and_context() -> None:
    @skill
    async def fetch(context: Context, url: str) -> str:
        """Fetch a page."""
        return url

    spec = spec_of(fetch)
    assert (
        spec is not None
        and spec.takes_context
        and spec.signature == "fetch(url: str)"
        and spec.deadline == DEFAULT_DEADLINE
    )
    assert asyncio.run(fetch(None, "x")) == "x"  # type: ignore[arg-type]


def test_a_class_where_there_is_state() -> None:
    @skill(name="count")
    class Counter:
        """Count up.

        Args:
            step: by how many.
        """

        def __init__(self) -> None:
            self.total = 0

        def __call__(self, step: int = 1) -> int:
            self.total += step
            return self.total

    spec = spec_of(Counter)
    assert (
        spec is not None
        and spec.signature == "count(step: int = 1)"
        and spec.parameters[0].description == "by how many."
    )
    counter = Counter()
    assert (counter(), counter(2)) == (1, 3)


def test_a_method_that_takes_no_arguments_and_keyword_only_ones() -> None:
    def beep() -> None:
        """Beep."""

    def play(*, song: str, loud: bool = False) -> None:
        """Play."""

    assert declare(beep).signature == "beep()"
    assert declare(play).signature == "play(song: str, loud: bool = False)"


def test_what_is_not_a_skill_has_no_declaration() -> None:
    assert spec_of(print) is None and spec_of(5) is None


def no_docstring(x: str) -> None: ...


def no_type(x) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Say."""


def bad_type(x: dict[str, str], y: bytes) -> None:
    """Say."""


def star(*args: str, **options: str) -> None:
    """Say."""


def positional(x: str, /) -> None:
    """Say."""


def unknown_name(x: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Say."""


def say(words: str, tone: Literal["low", "high"] = "low") -> None:
    """Say."""


BROKEN: list[tuple[Any, dict[str, Any], list[str]]] = [
    (no_docstring, {}, ["there is no docstring; say in one sentence what the skill does"]),
    (no_type, {}, ["x has no type; write x: str"]),
    (bad_type, {}, ["x has a type that cannot be said", "y has a type that cannot be said: bytes"]),
    (star, {}, ["*args: 'str' is not a named parameter", "**options: 'str' is not a named parameter"]),
    (positional, {}, ["x: 'str' is not a named parameter"]),
    (unknown_name, {}, ["the annotations cannot be read (name 'Nowhere' is not defined); import what they name"]),
    (say, {"destructive": True}, ['say is destructive; give it undo="…" or confirm="…?"']),
    (say, {"destructive": True, "read_only": True, "undo": "unsay"}, ["say is both read_only and destructive"]),
    (say, {"deadline": 0}, ["deadline=0 is not a time; give seconds above 0"]),
    (say, {"deadline": "soon"}, ["deadline='soon' is not a time"]),
    (say, {"name": "say it"}, ["'say it' cannot name a skill"]),
    (say, {"name": "class"}, ["'class' cannot name a skill"]),
    (say, {"examples": {"hi": "say("}}, ["the example 'hi': this is not a call"]),
    (say, {"examples": {"hi": 'shout(words="hi")'}}, ["'hi' teaches shout; an example of say calls say"]),
    (say, {"examples": {"hi": "say()"}}, ["say needs words"]),
    (say, {"examples": {"hi": 'say(words="hi", tone="flat")'}}, ["tone='flat' does not fit"]),
    (
        say,
        {"examples": {"hi": 'say(word="hi")', "ho": "say(words=5)"}},
        ["say has no parameter word; its parameters are: words, tone", "words=5 does not fit"],
    ),
    (
        no_docstring,
        {"destructive": True, "deadline": -1},
        ["there is no docstring", "no_docstring is destructive", "deadline=-1 is not a time"],
    ),
    (say, {"confirm": "Say {word}?"}, ["confirm asks about {word}"]),
]


@pytest.mark.parametrize(("target", "options", "messages"), BROKEN)
def test_broken_declarations_name_every_fault_with_file_and_line(
    target: Any, options: dict[str, Any], messages: list[str]
) -> None:
    with pytest.raises(SkillDeclarationError) as caught:
        declare(target, **options)
    problems = caught.value.problems
    assert len(problems) == len(messages)
    for problem, message in zip(problems, messages, strict=True):
        assert problem.where.startswith("test_skill.py:") and int(problem.where.partition(":")[2]) > 10
        assert str(problem).removeprefix(f"{problem.where}: ").startswith(message)
        assert problem.mend
    assert str(caught.value).startswith(
        f"The skill {options.get('name', target.__name__)} cannot be loaded:\n  test_skill.py:"
    )


def test_an_unknown_risk_is_a_mistake_of_the_author(tmp_path: Path) -> None:
    registry = load(tmp_path, '@skill(dangerous=True)\ndef say() -> None:\n    """Say."""\n')
    assert not registry.specs and "dangerous" in registry.problems[0].what


def test_destructive_skills_load_with_undo_or_confirmation() -> None:
    assert declare(say, destructive=True, confirm="Say {words}?").risk.destructive
    assert declare(say, destructive=True, undo="unsay").undo == "unsay"


def test_an_undo_that_is_not_there_is_refused_at_load(tmp_path: Path) -> None:
    source = '@skill(undo="unsay")\ndef say(words: str) -> None:\n    """Say."""\n'
    registry = load(tmp_path, source)
    assert not registry.specs
    assert "undo names unsay, which is not there; write def unsay(context: Context) beside it" in str(
        registry.problems[0]
    )
    (tmp_path / "mine.py").unlink()
    assert load(tmp_path, source + "\ndef unsay(context: Context) -> None: ...\n").specs["say"].undo == "unsay"


def move(
    x: int, y: Annotated[int, Field(le=9)] = 0, how: Literal["slow", "fast"] = "slow", for_: Duration | None = None
) -> None:
    """Move."""


MOVE = declare(move)

CANONICAL = [
    ("move(x=1)", "move(x=1)"),
    ('move(x="five")', "move(x=5)"),
    ("move(y=2, x=1)", "move(x=1, y=2)"),
    ('move(x=1, y=0, how="slow")', "move(x=1)"),
    ('move(x=1, how="FAST", for_="ninety seconds")', 'move(x=1, how="fast", for_="1 minute 30 seconds")'),
    ("move(x=1, for_=None)", "move(x=1)"),
]


@pytest.mark.parametrize(("given_call", "expected"), CANONICAL)
def test_canonical_calls(given_call: str, expected: str) -> None:
    assert str(MOVE.canonical(Call.parse(given_call))) == expected


INVALID = [
    ("move()", "move needs x; say it again with x, a whole number."),
    ("move(x=1, z=2)", "move has no parameter z; its parameters are: x, y, how, for_."),
    ("move(x=None)", "x=None does not fit"),
    ("move(x=1, y=10)", "y=10 does not fit"),
    ('move(x=1, how="")', "how='' does not fit"),
    ('move(x=1, for_="soon")', "for_='soon' does not fit"),
]


@pytest.mark.parametrize(("text", "message"), INVALID)
def test_invalid_calls(text: str, message: str) -> None:
    for check in (MOVE.validate, MOVE.canonical):
        with pytest.raises(InvalidCall) as caught:
            check(Call.parse(text))
        assert str(caught.value).startswith(message)


def test_validate_gives_what_the_function_takes_without_defaults() -> None:
    found = MOVE.validate(Call.parse('move(x="two", for_="an hour")'))
    assert found == {"x": 2, "for_": "1 hour"} and isinstance(found["for_"], Duration)


def test_a_skill_without_parameters_says_so() -> None:
    with pytest.raises(InvalidCall, match="other has no parameter x; its parameters are: none"):
        SkillSpec("other", "No skill fits.").validate(Call("other", {"x": 1}))


def test_examples_may_show_what_is_not_meant() -> None:
    assert check_example(MOVE, Example("hello", Call("other"))) is None
    problem = check_example(MOVE, Example("hello", Call("other", {"x": 1}), "a.txt:3"))
    assert problem is not None and problem.where == "a.txt:3"


@given(st.data())
def test_canonical_calls_are_fixed_points_that_validate(data: st.DataObject) -> None:
    spec = data.draw(skill_specs())
    call = data.draw(calls_of(spec))
    canonical = spec.canonical(call)
    assert spec.canonical(canonical) == canonical
    assert str(spec.canonical(Call.parse(str(canonical)))) == str(canonical)
    order = [parameter.name for parameter in spec.parameters]
    assert [order.index(name) for name in canonical.arguments] == sorted(
        order.index(name) for name in canonical.arguments
    )


def test_numbers_are_canonical_in_calls() -> None:
    def convert(amount: Number = 1) -> None:  # type: ignore[assignment]
        """Convert."""

    spec = declare(convert)
    assert str(spec.canonical(Call("convert", {"amount": "a dozen"}))) == "convert(amount=12)"
    assert str(spec.canonical(Call("convert", {"amount": "one"}))) == "convert()"
