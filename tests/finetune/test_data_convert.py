"""Converting: cells of other tools are read or refused, and what is read says what was written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.data.cells import CellError, read_cell
from finetune.data.convert import Converted, convert, write
from finetune.data.sources import open_source
from otto.errors import StoreError, UsageError

CHAT = [{"role": "user", "content": 'she said "hi"'}, {"role": "assistant", "content": "it's [a] {b}, “c”"}]


@pytest.mark.parametrize(
    ("text", "value", "how"),
    [
        ('{"a": 1}', {"a": 1}, ""),
        ('{"a": "x\ny"}', {"a": "x\ny"}, ""),
        ('\ufeff {"a": ""} \n', {"a": ""}, ""),
        ('{""a"": ""b""}', {"a": "b"}, "doubled quotes"),
        ('"{""a"": ""b""}"', {"a": "b"}, "doubled quotes"),
        (r'{""a"": ""say \""hi\"" now""}', {"a": 'say "hi" now'}, "doubled quotes"),
        ("{“a”: “b”}", {"a": "b"}, "curled quotes"),
        ("{„a“: “say “hi” to”}", {"a": "say “hi” to"}, "curled quotes"),
        ('[{"a": 1}]]', [{"a": 1}], "stray brackets"),
        ('[[{"a": 1}]', [{"a": 1}], "stray brackets"),
        ('{"a": [1, 2]}}', {"a": [1, 2]}, "stray brackets"),
        ('[{"a": "]"}}, {"b": "}"}]', [{"a": "]"}, {"b": "}"}], "stray brackets"),
        ('[{"a": 1},]', [{"a": 1}], "stray brackets"),
        ('[{""a"": ""b""}]]', [{"a": "b"}], "doubled quotes, stray brackets"),
        ("{'a': \"it's\", 'b': None, 'c': True}", {"a": "it's", "b": None, "c": True}, "Python's quotes"),
    ],
)
def test_cells_that_have_one_reading(text: str, value: Any, how: str) -> None:
    assert read_cell(text) == (value, how)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \ufeff", "empty"),
        ("hello", "one reading"),
        ('[{"role": "user", "content": "hi"}', "one reading"),  # cut short: a message may be missing
        ('{"a": "hi', "one reading"),
        ('{"a": "he said "hi""}', "one reading"),
        ('{"a": "x", "a": "y"}', "stands twice"),
        ("{'a': 'x', 'a': 'y'}", "one reading"),
        ("{'a': 'it''s'}", "one reading"),  # "its" to Python, "it's" to most
        ("{'a': {1, 2}}", "one reading"),
        ("{'a': __import__('os')}", "one reading"),
        ('{"a": NaN}', "no JSON"),
        ('{"a": 1 2}', "one reading"),
        ('{""a"": ""say """"hi"""" now""}', "one reading"),
        ("{“a”: “x”, “b\"”: 1}", "one reading"),
        ("[" * 20_000, "one reading"),
        ("'" * 3_000_000, "more than"),
    ],
)
def test_cells_that_are_refused(text: str, reason: str) -> None:
    with pytest.raises(CellError, match=reason):
        read_cell(text)


texts = st.text(max_size=30) | st.text(alphabet="ab\"'“”[]{},:\\ \n", max_size=30)
chats = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}), min_size=1, max_size=4)


def doubled(text: str) -> str:
    return text.replace('"', '""')


def quoted_and_doubled(text: str) -> str:
    return f'"{doubled(text)}"'


DAMAGE = [
    lambda text: f"\ufeff {text}\n",
    doubled,
    quoted_and_doubled,
    lambda text: text + "]",
    lambda text: text + "}}",
    lambda text: "[" + text,
    lambda text: doubled(text) + "]",
    lambda text: repr(json.loads(text)),
    lambda text: text[:-1] + ",]",
    lambda text: text.replace("}, {", "}], {"),
    lambda text: text[:-1],
    lambda text: text[1:],
]


@given(chats, st.sampled_from(DAMAGE), st.booleans())
def test_a_damaged_cell_is_read_as_it_was_meant_or_refused(chat: list[dict[str, str]], damage: Any, ascii: bool) -> None:
    try:
        value, _ = read_cell(damage(json.dumps(chat, ensure_ascii=ascii)))
    except CellError:
        return
    assert value == chat or [value] == chat, "one message alone may have lost its list"


plain = st.text(alphabet=st.characters(exclude_characters="\"“”„‟\\", exclude_categories=("Cs", "Cc")), max_size=30)


@given(st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": plain}), min_size=1, max_size=3))
def test_curled_quotes_around_any_text(chat: list[dict[str, str]]) -> None:
    cell = json.dumps(chat, ensure_ascii=False).replace('"', "”")
    try:
        assert read_cell(cell)[0] == chat
    except CellError:
        pytest.fail(f"{cell} has one reading")


def converted(tmp_path: Path, name: str, content: str | bytes, **options: Any) -> Converted:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return convert(open_source(path, options.pop("encoding", "")), **options)


def table(*rows: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_can_be_told(tmp_path: Path, encoding: str) -> None:
    text = table(("prompt", "completion"), ("Grüße aus Köln?", "“Ja”, sagte 他"))
    found = converted(tmp_path, "a.csv", text.encode(encoding))
    assert found.rows == [{"prompt": "Grüße aus Köln?", "completion": "“Ja”, sagte 他"}]


def test_an_encoding_that_must_be_guessed_is_said_to_be(tmp_path: Path) -> None:
    said = "Könnten Sie für mich die Tür öffnen? Später müssen wir über die Größe der Räume sprechen, natürlich."
    (tmp_path / "a.csv").write_bytes(table(("prompt", "completion"), (said, "Ja, natürlich.")).encode("cp1252"))
    source = open_source(tmp_path / "a.csv")
    assert source.guessed
    assert convert(source).rows == [{"prompt": said, "completion": "Ja, natürlich."}]
    assert convert(open_source(tmp_path / "a.csv", "cp1252")).rows[0]["prompt"] == said


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "naïve;café"), ("cp1252", "l’été à la plage"), ("cp1252", "niño mañana ¿qué tal?"), ("cp1250", "Zażółć gęślą jaźń"),
        ("cp932", "今日の天気は"), ("gb18030", "今天天气怎么样"), ("big5", "今天天氣怎麼樣"), ("cp949", "오늘 날씨 어때"),
    ],
)  # fmt: skip
def test_of_encodings_that_fit_alike_the_likelier_is_guessed(tmp_path: Path, encoding: str, text: str) -> None:
    found = converted(tmp_path, "a.csv", f"prompt,completion\n{text},x\n".encode(encoding))
    assert [row["prompt"] for row in found.rows] == [text]


def test_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("prompt,completion\nTür,x\n".encode("cp1252"))
    with pytest.raises(StoreError, match=r"a.csv:2 is not utf-8; name its encoding"):
        open_source(tmp_path / "a.csv", "utf-8")
    with pytest.raises(UsageError, match="no encoding latin-99"):
        open_source(tmp_path / "a.csv", "latin-99")


def test_each_kind_of_row(tmp_path: Path) -> None:
    rows = [
        {"messages": CHAT, "id": 7},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yo", "weight": 0}]},
        {"Prompt": "2+2?", "Completion": "4", "source": "a"},
        {"instruction": "Translate", "input": "Hallo", "output": "Hello"},
        {"instruction": "Sing", "input": "", "output": "la"},
        {"system": "Be brief", "prompt": "hi", "response": "yo"},
        {"messages": json.dumps(CHAT).replace('"', '""')},
    ]
    found = converted(tmp_path, "a.json", json.dumps(rows))
    assert found.rejected == []
    assert found.rows == [
        {"messages": CHAT, "id": 7},
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo", "weight": 0}]},
        {"prompt": "2+2?", "completion": "4", "source": "a"},
        {"prompt": "Translate\n\nHallo", "completion": "Hello"},
        {"prompt": "Sing", "completion": "la"},
        {"messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]},
        {"messages": CHAT},
    ]
    assert found.mended == {"doubled quotes": 1}


@pytest.mark.parametrize(
    ("row", "column", "why"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, "messages", "no message of the assistant"),
        ({"messages": [{"role": "assistant", "content": "hi"}]}, "messages", "no message of the user"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages", "message 1 has the role 'wizard'"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages", "message 1 has no text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages", "message 1 has no text"),
        ({"messages": []}, "messages", "no list of messages"),
        ({"messages": "[{"}, "messages", "no JSON"),
        ({"messages": ["hi"]}, "messages", "message 1 is no object"),
        ({"prompt": "", "completion": "x"}, "prompt", "it is empty"),
        ({"prompt": "x", "completion": None}, "completion", "it is empty"),
        ({"prompt": "x", "completion": 4}, "completion", "it is no text but int"),
        ({"prompt": "x"}, "", "no column for the completion"),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, row: dict[str, Any], column: str, why: str) -> None:
    found = converted(tmp_path, "a.jsonl", json.dumps({"prompt": "x", "completion": "y"}) + "\n" + json.dumps(row))
    assert found.rows == [{"prompt": "x", "completion": "y"}]
    (item,) = found.rejected
    assert (item.row, item.line, item.column) == (2, 2, column)
    assert why in item.why
    assert item.cell == (row[column] if column else row)


def test_a_table_with_faults(tmp_path: Path) -> None:
    text = 'messages;id\n"[{""role"": ""user"", ""content"": ""a\nb""}, {""role"": ""assistant"", ""content"": ""c""}]]";1\nx;2;3\n"[{";4\n"never closed;5\n'
    found = converted(tmp_path, "a.csv", text)
    assert found.rows == [{"messages": [{"role": "user", "content": "a\nb"}, {"role": "assistant", "content": "c"}], "id": "1"}]
    assert [(item.row, item.line, item.column) for item in found.rejected] == [(2, 4, ""), (3, 5, "messages"), (4, 6, "")]
    assert [str(item) for item in found.rejected][-1] == "row 4 (line 6): a quote opens and is never closed"


def test_a_message_a_row(tmp_path: Path) -> None:
    text = table(
        ("conversation_id", "role", "content"),
        ("1", "user", "hi"), ("2", "user", "hey"), ("1", "assistant", "yo"), ("3", "user", "?"),
        ("2", "wizard", "abra"), ("2", "assistant", "cadabra"), ("", "user", "lost"),
    )  # fmt: skip
    found = converted(tmp_path, "a.csv", text)
    assert found.rows == [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}], "conversation_id": "1"}]
    assert sorted((item.row, item.column) for item in found.rejected) == [(2, ""), (4, ""), (5, "role"), (6, ""), (7, "conversation_id")]


cells = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), min_size=1, max_size=40).filter(lambda text: text.strip("\ufeff").strip())


@settings(max_examples=40)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_a_csv_file_says_what_was_written(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]], delimiter: str, encoding: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows([("prompt", "completion"), *pairs])
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    found = convert(open_source(path))
    side = write(found, path.with_name("out.jsonl"))
    again = convert(open_source(path.with_name("out.jsonl")))
    assert (found.rejected, side) == ([], None)
    assert found.rows == again.rows == [{"prompt": prompt, "completion": completion} for prompt, completion in pairs]


@settings(max_examples=40)
@given(st.lists(chats, min_size=1, max_size=3), st.booleans())
def test_chats_in_cells_say_what_was_written(tmp_path_factory: pytest.TempPathFactory, found_chats: list[Any], ascii: bool) -> None:
    given_chats = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, *chat] for chat in found_chats]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = table(("messages",), *((json.dumps(chat, ensure_ascii=ascii),) for chat in given_chats))
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert convert(open_source(path)).rows == [{"messages": chat} for chat in given_chats]


def test_what_was_left_out_is_kept_beside_the_rows(tmp_path: Path) -> None:
    found = converted(tmp_path, "a.jsonl", '{"prompt": "a", "completion": "b"}\n{"prompt"\n')
    side = write(found, tmp_path / "out.jsonl")
    assert side == tmp_path / "out.jsonl.rejected.jsonl"
    assert [json.loads(line)["cell"] for line in side.read_text().splitlines()] == ['{"prompt"']
    found.rejected.clear()
    assert write(found, tmp_path / "out.jsonl") is None
    assert not side.exists(), "what an earlier run left out is mended now"


def test_quotes_are_made_straight_only_where_that_is_asked_for(tmp_path: Path) -> None:
    text = '{"prompt": "“it’s”", "completion": "‘x’"}'
    assert converted(tmp_path, "a.jsonl", text).rows == [{"prompt": "“it’s”", "completion": "‘x’"}]
    assert converted(tmp_path, "a.jsonl", text, straight_quotes=True).rows == [{"prompt": '"it\'s"', "completion": "'x'"}]


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("a.xlsx", "x", UsageError, "its name ends in one of: .csv"),
        ("a.csv", "colour,size\nred,7\n", UsageError, "no column that is known, but: colour, size"),
        ("a.json", "[1, 2", StoreError, "save it as JSON lines"),
        ("a.json", "7", StoreError, "holds no rows"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        converted(tmp_path, name, content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        open_source(tmp_path / "none.csv")


def test_json_lines_by_a_wrong_name_and_rows_inside_an_object(tmp_path: Path) -> None:
    row = {"prompt": "a", "completion": "b"}
    assert converted(tmp_path, "a.json", f"{json.dumps(row)}\n{json.dumps(row)}\n").rows == [row, row]
    assert converted(tmp_path, "a.json", json.dumps({"version": 1, "data": [row]})).rows == [row]
    assert converted(tmp_path, "a.json", json.dumps({"conversations": CHAT})).rows == [{"messages": CHAT}]
