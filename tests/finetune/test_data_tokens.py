"""Counting tokens: a word a token, so that every figure can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.data.display import histogram
from finetune.data.tokens import count, duration, effort
from otto.errors import Problems, StoreError
from tests.finetune.test_data_collect import words


def write(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_each_kind_of_row(tmp_path: Path) -> None:
    chat = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "a b c"}, {"role": "assistant", "content": "d"}]
    called = [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]}]
    found = count(
        write(
            tmp_path,
            {"messages": chat},
            {"prompt": "one two", "completion": " three"},
            {"prompt": chat[:2], "chosen": [chat[2]], "rejected": [{"role": "assistant", "content": "e f"}]},
            {"messages": called},
            "",
        ),
        words(),
    )
    assert found.conversations == [6, 3, 8, 3]
    assert found.assistant == [1, 1, 3, 2]
    assert found.messages == {"system": [2, 2], "user": [3, 3, 1], "assistant": [1, 1, 1, 2, 2], "prompt": [2]}
    assert found.share == 7 / 20
    assert found.report()["conversation"]["sum"] == 20


def test_lines_that_are_no_rows_are_all_named(tmp_path: Path) -> None:
    bad = ["{", "7", {"prompt": "x"}, {"messages": [{"role": "user"}]}, {"messages": [{"role": "user", "content": 7}]}, {"prompt": 7, "completion": "x"}]
    with pytest.raises(Problems, match="convert it with `otto finetune data convert`") as raised:
        count(write(tmp_path, {"prompt": "a", "completion": "b"}, *bad), words())
    assert [problem.where for problem in raised.value.problems] == [f"rows.jsonl:{number}" for number in range(2, 8)]


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rows.jsonl has no rows; collect some with"):
        count(write(tmp_path), words())


def test_effort() -> None:
    """2 million tokens at 3 dollars; 6 times 7e9 operations a token at 42e12 a second are a thousand tokens a second."""
    found = effort(1_000_000, epochs=2, price=3.0, parameters=7.0, tflops=42.0)
    assert (found.tokens, found.dollars, found.seconds) == (2_000_000, 6.0, pytest.approx(2000.0))


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 seconds"), (89, "89 seconds"), (90, "1.5 minutes"), (5400, "1.5 hours"), (259_200, "3.0 days")])
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_histogram() -> None:
    assert histogram([1, 1, 1, 1, 2, 4], bins=4, width=4) == ["1 ████ 4", "2 █    1", "3      0", "4 █    1"]
    assert histogram([10, 11, 29], bins=2, width=4) == ["10–19 ████ 2", "20–29 ██   1"]
    assert histogram([1000] * 1000 + [5], bins=2, width=10)[0].endswith("█          1"), "one is seen beside a thousand"
