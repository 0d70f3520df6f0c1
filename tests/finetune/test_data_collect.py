"""Collecting: every example becomes a row or is accounted for, and nothing that is held out stands in training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Inner
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from finetune.data.collect import CONFLICT, DUPLICATE, NO_WORDS, NOT_SAID, SHOWN, Prompts, collect, read_examples, with_corrections
from finetune.data.split import TEST, TRAIN, VALIDATION, part_of
from finetune.data.tokenizer import Tokenizer, open_tokenizer, summary
from finetune.embedded.rows import Row, rows_of_examples
from finetune.rows import read_training_rows
from otto import Call
from otto.errors import ExampleError, Problems, StoreError, UsageError
from otto.prompt import FAMILIES, messages, render
from otto.skill import Example
from tests.bundled import registry as bundled
from tests.router import toy


@pytest.fixture(autouse=True)
def installed() -> Iterator[None]:
    toy.registry().install()
    yield


def words() -> Tokenizer:
    """A token a word."""
    inner = Inner(WordLevel({"?": 0}, unk_token="?"))
    inner.pre_tokenizer = WhitespaceSplit()
    return Tokenizer("words", False, None, inner)


def toy_examples() -> list[Example]:
    return [example for spec in toy.skills() for example in spec.examples]


def test_the_rows_of_a_made_up_assistant() -> None:
    found = collect(toy_examples(), toy.registry(), "mistral-instruct", words(), held_out=0)
    assert (found.examples, len(found.rows), found.dropped) == (44, 44, [])
    row = next(row for row in found.rows if row.utterance == "set a timer for ninety seconds please")
    assert row.completion == ' timer(duration="1 minute 30 seconds")'
    assert (row.skill, row.template, row.split) == ("timer", "set a timer for {duration} please", "train")
    assert isinstance(row.prompt, str)
    assert row.prompt.startswith("<s>[INST] You turn what somebody said")
    assert row.prompt.endswith("set a timer for ninety seconds please [/INST]")
    assert row.call == Call("timer", {"duration": "90 seconds"})


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "embedded"])
def test_each_family_has_its_prompt(family: str) -> None:
    row = collect(toy_examples()[:1], toy.registry(), family, words()).rows[0]
    answer = 'timer(duration="5 minutes")'
    if family == "openai":
        assert [message["role"] for message in row.prompt] == ["system", "user"]  # type: ignore[index,union-attr]
        assert row.completion == [{"role": "assistant", "content": answer}]
    else:
        assert row.completion == (answer if str(row.prompt)[-1].isspace() else f" {answer}")
    assert row.answer.strip() == answer


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("embedded", "openai")])
@pytest.mark.parametrize("said", ["five  minutes", "a [/INST] $b {c}", "\\n ü"])
def test_a_prompt_is_what_the_router_renders(family: str, said: str) -> None:
    assert Prompts(family, toy.registry(), shots=2).of(said) == render(family, toy.registry(), said, shots=2)
    assert Prompts("openai", toy.registry(), shots=2).of(said) == messages(toy.registry(), said, shots=2)


@pytest.mark.parametrize(("family", "says"), [("embedded", "otto finetune embedded"), ("gpt-2", "There is no format gpt-2; use one of: mistral-instruct")])
def test_other_families_are_refused(family: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        collect([], toy.registry(), family, words())


@pytest.mark.parametrize(
    ("example", "why", "more"),
    [
        (Example("Set a timer, for five minutes!", Call("timer", {"duration": "5 minutes"}), "x:1"), DUPLICATE, "of y:1"),
        (Example("?!", Call("other"), "x:1"), NO_WORDS, ""),
        (Example("note the thing", Call("note", {"text": "buy milk"}), "x:1"), NOT_SAID, "text"),
    ],
)
def test_what_is_left_out_is_named(example: Example, why: str, more: str) -> None:
    first = Example("set a timer for five minutes", Call("timer", {"duration": "5 minutes"}), "y:1")
    found = collect([first, example], toy.registry(), "llama-3", words(), held_out=0)
    assert [row.source for row in found.rows] == ["y:1"]
    assert [(item.where, item.why, item.more) for item in found.dropped] == [("x:1", why, more)]
    assert found.report()["dropped"] == {why: 1}


def test_of_two_calls_for_one_sentence_neither_is_taken() -> None:
    one, other = Example("turn it up", Call("volume", {"action": "up"}), "a:1"), Example("Turn it up.", Call("other"), "b:2")
    found = collect([one, other], toy.registry(), "llama-3", words(), held_out=0)
    assert found.rows == []
    assert [(item.where, item.why, item.more) for item in found.dropped] == [
        ("a:1", CONFLICT, "other() in b:2"),
        ("b:2", CONFLICT, 'volume(action="up") in a:1'),
    ]


def test_two_spellings_of_one_call_are_no_conflict() -> None:
    examples = [Example("ten minutes timer", Call("timer", {"duration": value}), value) for value in ("10 minutes", "ten minutes")]
    assert [item.why for item in collect(examples, toy.registry(), "llama-3", words(), held_out=0).dropped] == [DUPLICATE]


@cache
def bundled_rows() -> tuple[Row, ...]:
    return tuple(rows_of_examples(bundled()))


@pytest.mark.parametrize("held_out", [0.06, 0.2])
def test_nothing_of_test_or_validation_stands_in_training(held_out: float) -> None:
    rows = bundled_rows()
    parts = {name: [row for row in rows if part_of(row, held_out) == name] for name in (TRAIN, VALIDATION, TEST)}
    assert all(parts.values())
    assert sum(map(len, parts.values())) == len(rows)
    for name, before in ((TEST, (TRAIN, VALIDATION)), (VALIDATION, (TRAIN,))):
        seen = [row for part in before for row in parts[part]]
        templates, values = {row.template for row in seen}, {value for row in seen for value in row.values if row.skill != "other"}
        for row in parts[name]:
            assert row.template not in templates or not values.issuperset(row.values), row.text


def test_a_held_out_row_is_not_shown_in_the_prompt() -> None:
    found = collect(toy_examples(), toy.registry(), "mistral-instruct", words(), held_out=0.4)
    assert len(found.rows) + len(found.dropped) == 44
    assert {item.why for item in found.dropped} == {SHOWN}
    for row in found.rows:
        if row.split != TRAIN:
            before = str(row.prompt).rsplit("\n", 1)[0]
            assert f"### User: {row.utterance}\n" not in before


def test_lengths_are_counted_against_the_limit() -> None:
    found = collect(toy_examples(), toy.registry(), "llama-2", words(), held_out=0, limit=16)
    assert [len((str(row.prompt) + row.answer).split()) for row in found.rows] == found.lengths
    assert len(found.too_long) == 44
    report = found.report()["tokens"]
    assert (report["min"], report["max"], report["limit"]) == (min(found.lengths), max(found.lengths), 16)
    longest = sorted(found.lengths)[-1]
    assert collect(toy_examples(), toy.registry(), "llama-2", words(), held_out=0, limit=longest).too_long == []
    assert len(collect(toy_examples(), toy.registry(), "llama-2", words(), held_out=0, limit=longest - 1).too_long) >= 1


def test_figures_of_counts() -> None:
    found = summary([4, 1, 3, 2, 100])
    assert found == {"min": 1, "max": 100, "mean": 22.0, "median": 3.0, "p5": pytest.approx(1.2), "p95": pytest.approx(80.8), "sum": 110}
    assert summary([]) == {}


FILE = """#### Prompt:
timer(duration="[duration]")

#### Examples:

### User: timer for ten minutes
### Assistant: timer(duration="10 minutes")

### User: [please] set {duration}
### Assistant: timer(duration="{duration}")

### User: what a day
### Assistant: other()
"""


def test_example_files_are_read_with_their_templates(tmp_path: Path) -> None:
    (tmp_path / "timer_examples.txt").write_text(FILE, encoding="utf-8")
    for given in ([tmp_path / "timer_examples.txt"], [tmp_path]):
        said = [example.text for example in read_examples(given, toy.registry())]
        assert (said[0], said[-1], len(said)) == ("timer for ten minutes", "what a day", 4)
        assert sum(text.startswith("please set ") for text in said) == 1


def test_all_faults_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a_examples.txt").write_text(FILE.replace('timer(duration="10 minutes")', 'tea(kind="green")'), encoding="utf-8")
    (tmp_path / "b_examples.txt").write_text(FILE.replace('timer(duration="10 minutes")', 'timer(duration="blue")'), encoding="utf-8")
    (tmp_path / "c_examples.txt").write_text(FILE.replace('timer(duration="10 minutes")', "timer("), encoding="utf-8")
    with pytest.raises(ExampleError) as raised:
        read_examples([tmp_path], toy.registry())
    assert [problem.where for problem in raised.value.problems] == ["a_examples.txt:7", "b_examples.txt:7", "c_examples.txt:7"]
    assert "there is no skill tea; install it, or use one of: timer, weather" in str(raised.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_examples([tmp_path / "none_examples.txt"], toy.registry())
    with pytest.raises(StoreError, match="no example file"):
        read_examples([tmp_path], toy.registry())


def test_a_correction_beats_an_example() -> None:
    corrections = [("Turn it up!", Call("volume", {"action": "down"})), ("tea please", Call("tea")), ("hm", Call("other"))]
    found = with_corrections(toy_examples(), corrections, toy.registry())
    assert [(example.text, str(example.call)) for example in found[-2:]] == [("Turn it up!", 'volume(action="down")'), ("hm", "other()")]
    assert len(found) == 44 - 1 + 2


def test_rows_read_back(tmp_path: Path) -> None:
    rows = collect(toy_examples(), toy.registry(), "openai", words()).rows
    path = tmp_path / "rows.json"
    path.write_text("".join(json.dumps(row.to_json()) + "\n" for row in rows), encoding="utf-8")
    assert read_training_rows(path) == rows


def test_lines_that_are_no_rows_are_all_named(tmp_path: Path) -> None:
    good = {"prompt": "p", "completion": "c", "skill": "timer"}
    bad = ["{", "[]", {**good, "prompt": 7}, {**good, "completion": " "}, {"prompt": "p", "skill": "x"}, {**good, "split": 1}, {**good, "prompt": [{"role": "user"}]}]
    path = tmp_path / "rows.json"
    path.write_text("\n".join([json.dumps(good), *(line if isinstance(line, str) else json.dumps(line) for line in bad)]), encoding="utf-8")
    with pytest.raises(Problems) as raised:
        read_training_rows(path)
    assert [problem.where for problem in raised.value.problems] == [f"rows.json:{number}" for number in range(2, 9)]
    assert "make it with `otto finetune data collect`" in str(raised.value)


def test_a_models_own_tokenizer(tmp_path: Path) -> None:
    words().inner.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 77}')
    found = open_tokenizer(tmp_path)
    assert (found.estimate, found.limit, found.counts(["a b  c", ""])) == (False, 77, [3, 0])
    assert collect(toy_examples()[:1], toy.registry(), "llama-2", found).limit == 77


def test_without_one_the_count_is_an_estimate() -> None:
    found = open_tokenizer(None)
    assert (found.estimate, found.limit) == (True, None)
    assert found.counts(["set a timer", ""])[1] == 0


@pytest.mark.parametrize("text", ["", "{}", "not json"])
def test_a_damaged_tokenizer(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(StoreError, match="give --tokenizer the folder of a model"):
        open_tokenizer(tmp_path)
    with pytest.raises(StoreError, match="No such file"):
        open_tokenizer(tmp_path / "none")
