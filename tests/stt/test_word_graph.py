"""Speech grammars as word graphs: the sentences of a grammar, no others, and as few states as they need."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.stt.jsgf import JsgfError, WordGraph, read_jsgf

HEADER = "#JSGF V1.0;\ngrammar test;\n"


def sentences(graph: WordGraph, longest: int = 6) -> set[str]:
    """Every sentence of at most so many words, found by walking the arcs: nothing of WordGraph's own search."""
    found = set()
    waiting = [(graph.start, ())]
    seen = set(waiting)
    while waiting:
        state, words = waiting.pop()
        if state == graph.final:
            found.add(" ".join(words))
        for source, target, word in graph.arcs:
            following = (target, (*words, word) if word else words)
            if source == state and len(following[1]) <= longest and following not in seen:
                seen.add(following)
                waiting.append(following)
    return found


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("public <a> = stop;", {"stop"}),
        ("public <a> = stop | go on;", {"stop", "go on"}),
        ("public <a> = [please] stop [it];", {"stop", "please stop", "stop it", "please stop it"}),
        ("public <a> = (red | blue) (cat | dog);", {"red cat", "red dog", "blue cat", "blue dog"}),
        ("public <a> = the <b>; <b> = cat | dog;", {"the cat", "the dog"}),
        ("public <a> = <b> <b>; <b> = x [y];", {"x x", "x y x", "x x y", "x y x y"}),
        ("public <a> = <b> and <b>; <b> = x | y;", {"x and x", "x and y", "y and x", "y and y"}),
        ("public <a> = go <b>; <b> = <NULL> | home;", {"go", "go home"}),
        ("public <a> = go <b> now; <b> = <NULL>;", {"go now"}),
        ("public <a> = go <b>; <b> = <NULL>;", {"go"}),
        ("public <a> = [<b>] c [<b>]; <b> = x;", {"c", "x c", "c x", "x c x"}),
        ("public <a> = x <b> | y <b> | z; <b> = <c> end | end; <c> = [w];", {"x end", "y end", "z", "x w end", "y w end"}),
        ("public <a> = don't;", {"don't"}),
        ("public <a> = (((a) | (b)));", {"a", "b"}),
        ("// a remark\npublic <a> = a /* and\nanother */ b;", {"a b"}),
    ],
)
def test_the_sentences_of_a_grammar(rules: str, expected: set[str]) -> None:
    graph = read_jsgf(HEADER + rules)
    assert sentences(graph) == expected
    assert all(graph.accepts(sentence.split()) for sentence in expected)


def test_repetitions() -> None:
    assert sentences(read_jsgf(HEADER + "public <a> = a b* c+;"), 4) == {"a c", "a b c", "a c c", "a b b c", "a b c c", "a c c c"}


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ("<a> = x;", "a grammar has one public rule, this has 0"),
        ("public <a> = x; public <b> = y;", "a grammar has one public rule, this has 2"),
        ("public <a> = x; <a> = y;", "<a> is written twice"),
        ("public <a> = <b>;", "there is no rule <b>"),
        ("public <a> = x <a>;", "<a> mentions itself"),
        ("public <a> = <b>; <b> = x <c>; <c> = <b>;", "<b> mentions itself"),
        ("public <a> = ;", "an alternative is empty"),
        ("public <a> = x |;", "an alternative is empty"),
        ("public <a> = (x;", "expected ), found ';'"),
        ("public <a> = x", "expected ;, found 'the end'"),
        ("public <a> x;", "expected =, found 'x'"),
        ("public a = x;", "expected a rule's <name>, found 'a'"),
        ("public <a> = * x;", "'*' stands after nothing"),
        ("public <a> = /2/ x;", "'/' is not understood"),
        ("public <a> = <NULL>;", None),
    ],
)
def test_what_is_no_grammar_is_refused(rules: str, fault: str | None) -> None:
    if fault is None:
        assert sentences(read_jsgf(HEADER + rules)) == {""}
        return
    with pytest.raises(JsgfError, match=re.escape(fault)):
        read_jsgf(HEADER + rules)


@pytest.mark.parametrize("text", ["", "public <a> = x;", "#JSGF V1.0;", "grammar x; public <a> = x;"])
def test_a_grammar_needs_its_header(text: str) -> None:
    with pytest.raises(JsgfError, match="a grammar begins with '#JSGF V1.0; grammar NAME;'"):
        read_jsgf(text)


phrases = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple), min_size=1, max_size=8).map(set)


@given(phrases, st.lists(st.sampled_from("abc"), max_size=5))
def test_a_list_of_phrases_accepts_these_and_no_others(listed: set[tuple[str, ...]], other: list[str]) -> None:
    graph = read_jsgf(f"{HEADER}public <a> = {' | '.join(' '.join(phrase) for phrase in listed)};")
    assert sentences(graph) == {" ".join(phrase) for phrase in listed}
    assert graph.accepts(other) == (tuple(other) in listed)


def test_shared_endings_are_there_once() -> None:
    values = " | ".join(f"word{number} end" for number in range(50))
    openings = " | ".join(f"opening{number} <value>" for number in range(50))
    graph = read_jsgf(f"{HEADER}public <a> = {openings}; <value> = {values};")
    assert graph.states < 10
    assert graph.accepts(["opening7", "word42", "end"])
    assert not graph.accepts(["opening7", "word42"])
