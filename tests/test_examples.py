"""Example files: read, written, and refused with every fault at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import calls, texts

from otto import Call
from otto.errors import ExampleError
from otto.examples import ExampleFile, parse_example_file, read_example_file
from otto.paths import room
from otto.skill import Example

GOOD = """\
#### Prompt:
timer(duration="[duration]") sets a timer
for a duration written out as a string.

#### Prompt Examples:

### User: Set a timer for one minute
### Assistant: timer(duration="1 minute")

#### Examples:

### User: I need a timer: two and a half hours
### Assistant: timer(duration="2 hours 30 minutes")

### User: time flies
### Assistant: other()
"""


def test_a_good_file() -> None:
    found = parse_example_file(GOOD, "timer_examples.txt")
    assert found.prompt == 'timer(duration="[duration]") sets a timer for a duration written out as a string.'
    assert found.prompt_examples == (
        Example("Set a timer for one minute", Call("timer", {"duration": "1 minute"}), "timer_examples.txt:8"),
    )
    assert [(example.text, str(example.call), example.where) for example in found.examples] == [
        ("I need a timer: two and a half hours", 'timer(duration="2 hours 30 minutes")', "timer_examples.txt:13"),
        ("time flies", "other()", "timer_examples.txt:16"),
    ]
    assert [example.text for example in found.all] == [
        "Set a timer for one minute",
        "I need a timer: two and a half hours",
        "time flies",
    ]


def test_spaces_line_ends_and_a_byte_order_mark_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "timer_examples.txt"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "  \r\n").encode())
    assert str(read_example_file(path)) == str(parse_example_file(GOOD, path.name))


def test_empty_parts() -> None:
    assert parse_example_file("", "a.txt") == ExampleFile()
    assert parse_example_file("#### Examples:\n", "a.txt") == ExampleFile()


FAULTS = [
    ("#### Example:\n", ["a.txt:1: there is no section '#### Example:'"]),
    ("#### Examples:\n### User: hi\n", ["a.txt:2: there is no call for this; write a line ### Assistant: under it"]),
    ("#### Examples:\n### User: hi\n### User: ho\n### Assistant: f()\n", ["a.txt:2: there is no call for this"]),
    ("#### Examples:\n### Assistant: f()\n", ["a.txt:2: there are no words for this call"]),
    (
        "#### Examples:\n### User: hi\n### Assistant: f()\n### Assistant: g()\n",
        ["a.txt:4: there are no words for this call"],
    ),
    (
        "#### Examples:\n### User:\n### Assistant: f()\n",
        ["a.txt:2: nothing is said here", "a.txt:3: there are no words for this call"],
    ),
    ("#### Examples:\n### User: hi\n### Assistant:\n", ["a.txt:3: there is no call"]),
    ("#### Examples:\n### User: hi\n### Assistant: f(1)\n", ["a.txt:3: an argument needs its name at character 2"]),
    ("#### Examples:\n### User: hi\n### Assistant: f(); g()\n", ["a.txt:3: expected one call, found 2"]),
    ("### User: hi\n### Assistant: f()\n", ["a.txt:2: this stands outside the example sections"]),
    ("#### Prompt:\n### User: hi\n### Assistant: f()\n", ["a.txt:3: this stands outside the example sections"]),
    ("hello\n#### Examples:\nstray\n", ["a.txt:1: 'hello' belongs to nothing", "a.txt:3: 'stray' belongs to nothing"]),
    ("#### Examples:\n### User: hi\nthere\n### Assistant: f()\n", ["a.txt:3: 'there' belongs to nothing"]),
    ("#### Examples:\n## User: hi\n", ["a.txt:2: '## User: hi' belongs to nothing"]),
]


@pytest.mark.parametrize(("text", "messages"), FAULTS)
def test_every_fault_at_its_line(text: str, messages: list[str]) -> None:
    with pytest.raises(ExampleError) as caught:
        parse_example_file(text, "a.txt")
    assert str(caught.value).startswith("a.txt cannot be read:\n  a.txt:")
    assert len(caught.value.problems) == len(messages)
    for problem, message in zip(caught.value.problems, messages, strict=True):
        assert str(problem).startswith(message) and problem.mend


def test_a_file_that_is_no_text_is_one_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"#### Examples:\n\xff\xfe\n")
    with pytest.raises(ExampleError) as caught:
        read_example_file(path)
    assert str(caught.value.problems[0]).startswith("a.txt:2: this is not UTF-8")


examples = st.builds(
    lambda text, call: Example(text, call, ""), texts.filter(lambda text: not text.startswith("#")), calls
)


@given(
    texts.filter(lambda text: not text.startswith("#")), st.lists(examples, max_size=3), st.lists(examples, max_size=3)
)
def test_what_is_written_is_read(prompt: str, shown: list[Example], taught: list[Example]) -> None:
    written = ExampleFile(prompt, tuple(shown), tuple(taught))
    found = parse_example_file(str(written), "a.txt")
    assert found.prompt == prompt
    assert [(example.text, example.call) for example in found.all] == [
        (example.text, example.call) for example in written.all
    ]
    assert str(found) == str(written)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_example_file(text, "a.txt")
    except ExampleError as error:
        assert error.problems


@pytest.mark.parametrize("path", sorted(room("examples").glob("*_examples.txt")), ids=lambda path: path.stem)
def test_bundled_files_are_as_they_would_be_written(path: Path) -> None:
    found = read_example_file(path)
    assert found.prompt and found.prompt_examples
    assert [(example.text, example.call) for example in parse_example_file(str(found), path.name).all] == [
        (example.text, example.call) for example in found.all
    ]
