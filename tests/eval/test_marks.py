"""What is marked in a call that is not the expected one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.marks import marked
from otto.call import set_resolver
from otto.registry import Registry

CASES = [
    # called, expected, the marked pieces
    (['timer(duration="5 minutes")'], [['timer(duration="5 minutes")']], []),
    (['timer(duration="6 minutes")'], [['timer(duration="5 minutes")']], ['duration="6 minutes"']),
    (['f(a=1, b=2, c=3)'], [["f(a=1, b=4, c=3)"]], ["b=2"]),
    (["f(b=2, a=1)"], [["f(a=1, b=2)"]], []),  # the order of arguments does not count
    (["f(a=1)"], [["f(a=1, b=2)"]], [", no b"]),
    (["f()"], [["f(a=1, b=2)"]], ["no a, no b"]),
    (["f(a=1, b=2)"], [["f(a=1)"]], ["b=2"]),
    (["f(a=1)"], [["g(a=1)"]], ["f"]),
    (["other()"], [["g(a=1)"]], ["other"]),
    (["f(a=1)"], [["other()"]], ["f"]),
    (["f(a=1)", "g(b=2)"], [["f(a=1)", "g(b=3)"]], ["b=2"]),
    (["f(a=2)"], [["g(a=2)"], ["f(a=3)"], ["f(a=2, b=1)"]], ["f"]),  # of several alternatives, one with the fewest marks
    (["f(a="], [["f(a=1)"]], ["f(a="]),  # no call at all
    ([], [["f(a=1)"]], []),
]


@pytest.mark.parametrize(("called", "expected", "marks"), CASES)
def test_marks(called: list[str], expected: list[list[str]], marks: list[str]) -> None:
    pieces = marked(called, expected)
    assert [text for call in pieces for text, differs in call if differs] == marks
    assert len(pieces) == len(called)


def test_with_nothing_to_compare_with_nothing_is_marked() -> None:
    assert marked(["f(a=1)", "g()"], ()) == [[("f(a=1)", False)], [("g()", False)]]


@pytest.fixture
def installed() -> Iterator[None]:
    Registry.load().install()
    yield
    set_resolver(lambda name: None)


@pytest.mark.usefixtures("installed")
def test_values_are_compared_as_their_skill_reads_them() -> None:
    assert marked(['timer(duration="five minutes")'], [['timer(duration="5 minutes")']]) == [[("timer(", False), ('duration="five minutes"', False), (")", False)]]
