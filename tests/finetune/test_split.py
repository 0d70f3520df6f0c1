"""The split: nothing of what is held out stands in training, and what is held out stays so."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.embedded.rows import Row, rows_of_examples
from finetune.embedded.split import split_rows
from otto.align import Span
from tests.router import toy

names = st.sampled_from("berlin oslo rome lima paris kyoto new_york san_francisco quito cairo sydney hanoi".split()).map(lambda text: tuple(text.split("_")))
leads = st.lists(st.sampled_from("what is the weather like in please tell me how about cold will it rain at".split()), min_size=1, max_size=4).map(tuple)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Stray talk, or a question about one place or two."""
    lead, skill = draw(leads), draw(st.sampled_from(("weather", "route", "other")))
    if skill == "other":
        return Row((*lead, *draw(names)), skill)
    words, spans = lead, []
    for parameter in ("location",) if skill == "weather" else ("start", "end"):
        value = draw(names)
        spans.append(Span(parameter, len(words), len(words) + len(value) - 1))
        words = (*words, *value, "now")
    return Row(words, skill, tuple(spans))


many = st.lists(rows(), max_size=40)
shares = st.floats(0, 1)


@given(many, shares, shares)
def test_nothing_that_is_held_out_stands_in_training(found: list[Row], templates: float, values: float) -> None:
    split = split_rows(found, templates=templates, values=values)
    assert sorted(map(repr, (*split.train, *split.held_out))) == sorted(map(repr, found)), "each row has one place"
    learnt = {row.template for row in split.train}
    assert not learnt & {row.template for row in split.template}
    assert learnt.isdisjoint(row.words for row in split.template)
    taught = {value for row in split.train for value in row.values}
    for row in split.value:
        assert not taught.issuperset(row.values), f"all values of {' '.join(row.words)!r} were taught"


@given(many, many, shares, shares)
def test_more_examples_move_no_row(found: list[Row], more: list[Row], templates: float, values: float) -> None:
    before, after = split_rows(found, templates=templates, values=values), split_rows(more + found, templates=templates, values=values)
    for name in ("train", "template", "value"):
        old, new = getattr(before, name), getattr(after, name)
        assert new[len(new) - len(old) :] == old


@given(many)
def test_the_order_of_the_examples_does_not_matter(found: list[Row]) -> None:
    one, other = split_rows(found), split_rows(found[::-1])
    assert (one.train, one.template, one.value) == (other.train[::-1], other.template[::-1], other.value[::-1])


def share(text: str) -> float:
    """The first eight digits of the hash as `sha256sum` prints it, as a share of the greatest that there is."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0x100000000


@pytest.mark.parametrize("skill", ["weather", "other"])
def test_a_row_is_held_out_by_its_template_first_and_by_a_value_then(skill: str) -> None:
    row = Row(("cold", "in", "new", "york"), skill, (Span("location", 2, 3),))
    template, value = share("template cold in {location}"), share("value new york")
    above = 1e-9
    assert split_rows([row], templates=template + above, values=1.0).template == [row]
    kept = split_rows([row], templates=template, values=value + above)
    assert (kept.value if skill == "weather" else kept.train) == [row], "stray talk has no values"
    assert split_rows([row], templates=template, values=value).train == [row]


def test_ours_and_theirs_of_one_sentence_stay_together() -> None:
    """Two skills with the same sentence, and the same value under two names, are held out for both or for none."""
    same = [Row(("in", "rome"), skill, (Span("location", 1, 1),)) for skill in ("weather", "timecheck")]
    split = split_rows(same, templates=0.5, values=0.5)
    assert sorted(map(len, (split.train, split.template, split.value))) == [0, 0, 2]


def test_a_tenth_of_the_templates_is_held_out() -> None:
    """Of 2000 templates about a tenth, within five standard deviations of a fair draw (13.4 of 2000)."""
    split = split_rows(Row((f"word{number}",), "note") for number in range(2000))
    assert abs(len(split.template) - 200) < 67
    assert split.value == []


def test_the_examples_of_a_skill() -> None:
    split = split_rows(rows_of_examples(toy.skills()), templates=0.3, values=0.3)
    assert split.train
    assert split.held_out
    taught = {value for row in split.train for value in row.values}
    assert all(set(row.values) - taught for row in split.value)
