"""Rows: examples and corpora become sentences whose arguments are words, and what cannot is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.embedded.corpora import read_corpus, strays_of
from finetune.embedded.rows import Row, rows_of_corpus, rows_of_examples
from otto import Call
from otto.align import Span
from otto.errors import StoreError, UsageError
from otto.registry import Registry
from tests.router import toy

EXAMPLES = [
    # target, said, call, spans, fixed, template
    (toy.timer, "Set a timer for five minutes, please!", 'timer(duration="5 minutes")', (Span("duration", 4, 5),), (), "set a timer for {duration} please"),
    (toy.timer, "give me a two minute timer", 'timer(duration="2 minutes")', (Span("duration", 3, 4),), (), "give me a {duration} timer"),
    (toy.weather, "will it rain", "weather()", (), (), "will it rain"),
    (toy.weather, "is it cold in New York", 'weather(location="New York")', (Span("location", 4, 5),), (), "is it cold in {location}"),
    (toy.volume, "turn it up", 'volume(action="up")', (), (("action", "up"),), "turn it up"),
    (toy.volume, "set the volume to thirty", 'volume(action="set", level=30)', (Span("level", 4, 4),), (("action", "set"),), "set the volume to {level}"),
    (toy.note, "make a note to call mum", 'note(text="call mum")', (Span("text", 4, 5),), (), "make a note to {text}"),
    (toy.other, "the train was late again", "other()", (), (), "the train was late again"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "said", "call", "spans", "fixed", "template"), EXAMPLES, ids=[row[1] for row in EXAMPLES])
def test_examples(target: Any, said: str, call: str, spans: Any, fixed: Any, template: str) -> None:
    (row,) = rows_of_examples([toy.taught(target, {said: call})])
    assert (row.skill, row.spans, row.fixed) == (target.__name__, spans, fixed)
    assert (row.text, str(row.call), row.template) == (said, call, template)


UNFIT = {
    "a value that nobody said": (toy.weather, "how is the weather at home", 'weather(location="Berlin")'),
    "a free text in other words": (toy.note, "make a note to phone mum", 'note(text="call mum")'),
    "no word at all": (toy.other, "?!", "other()"),
}


@pytest.mark.parametrize(("target", "said", "call"), UNFIT.values(), ids=UNFIT)
def test_examples_that_no_words_explain_are_left_out(target: Any, said: str, call: str) -> None:
    assert list(rows_of_examples([toy.taught(target, {said: call})])) == []


ROW = Row(tuple("convert ten miles to km now".split()), "convert", (Span("amount", 1, 1), Span("source", 2, 2), Span("target", 4, 4)))
SWAPS = [
    # the span to change, its new words, the sentence, all values
    (0, "two and a half", "convert two and a half miles to km now", ("two and a half", "miles", "km")),
    (1, "light years", "convert ten light years to km now", ("ten", "light years", "km")),
    (2, "feet", "convert ten miles to feet now", ("ten", "miles", "feet")),
]


@pytest.mark.parametrize(("index", "value", "sentence", "values"), SWAPS, ids=[row[1] for row in SWAPS])
def test_another_value(index: int, value: str, sentence: str, values: tuple[str, ...]) -> None:
    row = ROW.with_value(ROW.spans[index], tuple(value.split()))
    assert (" ".join(row.words), row.values, row.template) == (sentence, values, ROW.template)


pieces = st.lists(st.lists(st.sampled_from("a b c d".split()), min_size=1, max_size=3), min_size=2, max_size=9)


@given(pieces, st.data())
def test_another_value_changes_nothing_but_its_words(words: list[list[str]], data: st.DataObject) -> None:
    """Every second piece of the sentence is a value; a shorter or longer one in its place moves the others and keeps them whole."""
    spans, at = [], 0
    for number, piece in enumerate(words):
        if number % 2:
            spans.append(Span(f"p{number}", at, at + len(piece) - 1))
        at += len(piece)
    row = Row(tuple(word for piece in words for word in piece), "f", tuple(spans))
    changed = data.draw(st.integers(0, len(spans) - 1))
    value = data.draw(st.lists(st.sampled_from("x y z".split()), min_size=1, max_size=5))
    words[2 * changed + 1] = value
    found = row.with_value(spans[changed], tuple(value))
    assert found.words == tuple(word for piece in words for word in piece)
    assert found.values == tuple(" ".join(piece) for piece in words[1::2])
    assert found.template == row.template


SIGNATURES = {
    "skills": [
        {"name": "Play", "description": "Play music.", "parameters": [{"name": "genre"}, {"name": "artist"}, {"name": "sort", "enum": ["best", "new"]}]},
        {"name": "Pause", "description": "Stop for a while."},
    ]
}


def signatures(folder: Path) -> Registry:
    (folder / "skills").mkdir(exist_ok=True)
    (folder / "skills" / "music.json").write_text(json.dumps(SIGNATURES), encoding="utf-8")
    return Registry.from_json(folder / "skills" / "music.json")


def line(text: str, *slots: dict[str, Any], skill: str | None = "Play") -> dict[str, Any]:
    arguments = {slot["name"]: slot["value"] for slot in slots}
    return {"text": text, "skill": skill and {"name": skill}, "call": skill and {"name": skill, "arguments": arguments}, "slots": list(slots)}


def slot(name: str, value: str, start: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "start": start, "end": start + len(value), **more}


def read(folder: Path, *lines: dict[str, Any]) -> list[Row]:
    path = folder / "music_train.jsonl"
    path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in lines), encoding="utf-8")
    return list(rows_of_corpus(path, signatures(folder)))


CORPUS = {
    "spans, in the order of the sentence": (
        line("Play jazz by Nina Simone!", slot("artist", "Nina Simone", 13), slot("genre", "jazz", 5)),
        ("play jazz by nina simone", (Span("genre", 1, 1), Span("artist", 3, 4)), ()),
    ),
    "one of a list is fixed, as it is normalised": (
        line("play the newest jazz", slot("sort", "newest", 9, normalized="new"), slot("genre", "jazz", 16)),
        ("play the newest jazz", (Span("genre", 3, 3),), (("sort", "new"),)),
    ),
    "what only the context knows is not learnt": (
        line("play it again", {"name": "artist", "value": "Nina Simone", "from": "context"}),
        ("play it again", (), ()),
    ),
    "a separator of lines inside a text": (line("play\u2028jazz", slot("genre", "jazz", 5)), ("play jazz", (Span("genre", 1, 1),), ())),
    "an umlaut counts as one character": (line("spiele Bärenmusik", slot("genre", "Bärenmusik", 7)), ("spiele bärenmusik", (Span("genre", 1, 1),), ())),
}


@pytest.mark.parametrize(("item", "expected"), CORPUS.values(), ids=CORPUS)
def test_corpus(tmp_path: Path, item: dict[str, Any], expected: Any) -> None:
    (row,) = read(tmp_path, item)
    assert (" ".join(row.words), row.spans, row.fixed) == expected
    assert row.skill == "Play"
    assert row.text == item["text"]
    assert str(row.call) == str(Call("Play", item["call"]["arguments"]))


def test_a_row_without_a_skill_is_stray_talk(tmp_path: Path) -> None:
    (row,) = read(tmp_path, line("Good morning, Jim.", skill=None))
    assert (row.words, row.skill, str(row.call)) == (("good", "morning", "jim"), "other", "other()")


PASSED_OVER = {
    "a slot that is named twice": line("jazz and soul", slot("genre", "jazz", 0), slot("genre", "soul", 9)),
    "a slot that begins inside a word": line("play jazz", slot("genre", "azz", 6)),
    "a slot that ends inside a word": line("play jazz", slot("genre", "jaz", 5)),
    "slots that overlap": line("play free jazz", slot("genre", "free jazz", 5), slot("artist", "jazz", 10)),
    "a slot that ends before it begins": line("play jazz", {"name": "genre", "value": "", "start": 5, "end": 4}),
    "an empty text": line(""),
    "stray talk without a word": line("...", skill=None),
}


@pytest.mark.parametrize("item", PASSED_OVER.values(), ids=PASSED_OVER)
def test_rows_whose_arguments_are_not_spans_are_passed_over(tmp_path: Path, item: dict[str, Any]) -> None:
    assert len(read(tmp_path, item, line("pause", skill="Pause"))) == 1


BAD = {
    # what stands in the second line → what the error names
    "cut off": ('{"text": "play ja', "JSONDecodeError"),
    "an empty line": ("", "JSONDecodeError"),
    "no object": ("3", "TypeError"),
    "no skill": ('{"text": "play jazz"}', "KeyError: 'skill'"),
    "an unknown skill": (json.dumps(line("stop", skill="Stop")), "UnknownSkill: There is no skill Stop"),
    "an unknown parameter": (json.dumps(line("play loud", slot("volume", "loud", 5))), "Play has no parameter volume"),
    "a slot without a place": (json.dumps(line("play jazz", {"name": "genre", "value": "jazz"})), "KeyError: 'start'"),
    "a slot that is a text": (json.dumps({**line("play jazz"), "slots": ["genre"]}), "AttributeError"),
    "arguments in a list": (json.dumps({**line("play jazz"), "call": {"name": "Play", "arguments": []}}), "AttributeError"),
    "a value that is not in its list": (json.dumps(line("play old jazz", slot("sort", "old", 5))), "sort='old' does not fit"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_bad_lines_are_refused_with_file_and_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "music_train.jsonl"
    path.write_text(f"{json.dumps(line('pause', skill='Pause'))}\n{text}\n{json.dumps(line('pause', skill='Pause'))}\n", encoding="utf-8")
    with pytest.raises(StoreError) as caught:
        list(rows_of_corpus(path, signatures(tmp_path)))
    assert str(caught.value).startswith("music_train.jsonl:2 is not a row (")
    assert reason in str(caught.value)
    assert str(caught.value).endswith("see docs/router.md for the format.")


def test_a_corpus_that_cannot_be_read(tmp_path: Path) -> None:
    known = signatures(tmp_path)
    with pytest.raises(StoreError, match=r"nowhere_train.jsonl cannot be read \(No such file or directory\); check the path given to --corpus"):
        list(rows_of_corpus(tmp_path / "nowhere_train.jsonl", known))
    (tmp_path / "latin_train.jsonl").write_bytes(json.dumps(line("für elise"), ensure_ascii=False).encode("latin-1"))
    with pytest.raises(StoreError, match=r"latin_train.jsonl cannot be read \(it is not UTF-8\)"):
        list(rows_of_corpus(tmp_path / "latin_train.jsonl", known))


def test_a_corpus_has_its_signatures_beside_it(tmp_path: Path) -> None:
    read(tmp_path, line("play jazz", slot("genre", "jazz", 5)), line("pause", skill="Pause"), line("good morning", skill=None))
    corpus = read_corpus(tmp_path / "music_train.jsonl")
    assert (corpus.name, [spec.name for spec in corpus.specs], len(corpus.rows), corpus.weight) == ("music", ["Play", "Pause"], 3, 1.0)
    assert strays_of([corpus]) == corpus.rows, "nothing is known of it, so all of it is stray talk to us"
    (tmp_path / "skills" / "music.json").unlink()
    with pytest.raises(UsageError, match=r"There are no signatures for music_train.jsonl; put them into .*music.json"):
        read_corpus(tmp_path / "music_train.jsonl")


def test_what_our_skills_cover_is_no_stray_talk(tmp_path: Path) -> None:
    """SNIPS counts a fifth as stray talk, and none of its PlayMusic: so says corpora.json."""
    named = {"skills": [{"name": "PlayMusic", "description": "Play."}, {"name": "RateBook", "description": "Rate."}]}
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "snips.json").write_text(json.dumps(named))
    rows = [line(f"{word} {number}", skill=skill) for word, skill in (("play", "PlayMusic"), ("rate", "RateBook")) for number in range(10)]
    (tmp_path / "snips_train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = read_corpus(tmp_path / "snips_train.jsonl")
    assert len(corpus.rows) == 20
    assert [" ".join(row.words) for row in corpus.strays] == ["rate 0", "rate 5"]
