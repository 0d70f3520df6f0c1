"""The benchmark's report from made-up figures; nothing is timed here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from otto.call import Call
from otto.messages import Route
from otto.parameters import Parameter
from otto.registry import Registry
from otto.skill import Example, SkillSpec
from tests.bench.__main__ import cited
from tests.bench.corpus import COMMAND, KNOWN, STRAY, TEN, cases, many, without_held_out
from tests.bench.engines import score
from tests.bench.figures import Cited, Heard, Memory, Rate, Report, Run, Sample, Score, Speech, Spread, Start, Warm
from tests.bench.peer import Hassil
from tests.bench.report import figure, not_measured, share, written

SAMPLES = (Sample(KNOWN, 0.05, 0.1), Sample(COMMAND, 8.0, 10.0), Sample(COMMAND, 10.0, 12.0), Sample(STRAY, 12.0, 14.0))
REPORT = Report(
    date="2026-11-20",
    command="make bench",
    machine={"processor": "Abacus 3000", "cores": "2"},
    versions={"hassil": "3.12.1"},
    origin="the skills are made up",
    starts=(
        Start("`otto --help`", (Run(150.0, 200.0, 30.0), Run(140.0, 180.0, 30.5), Run(160.0, 1234.0, 31.0))),
        Start("`otto route`, a new sentence", missing="The model llama.onnx cannot be loaded, it is not there; install it | again."),
    ),
    warm=(Warm(10, "embedded", 1.26, SAMPLES), Warm(10, "llama", 0.0, missing="ModuleNotFoundError: No module named 'otto.router.llama'")),
    templates={"hassil, lists": 1655},
    scores=(Score("embedded", commands=400, exact=390, skill=396, missed=2, stray=150, acted=1),),
    card=(Cited("sentences of a kind", "tagger", Rate(0.9387, 0.9129, 0.9573, 457), Rate(0.9759, 0.9574, 0.9865, 457), Rate(0.0241, 0.0135, 0.0426, 457), Rate(0.0, 0.0, 1.0, 0)),),
    memory=(Memory("registry", 57.12, 35.94), Memory("llama", missing="it is not there"), Memory("assistant", 412.3, 380.04)),
    speech=Speech("closed-phrase", "embedded", 1, 2.345, 500.0, (Heard(2.0, 110.0, 100.0, 10.0, True), Heard(2.0, 210.0, 200.0, 20.0, False))),
)
WRITTEN = """\
# Benchmarks

Written whole by `make bench` on 2026-11-20; change tests/bench/, not this file. Times are in milliseconds. CPU is that of all threads of the process; wall is what a person waits. p50 is the median, p95 the 95th percentile, n the number of measurements.

Public suites and other recognisers on the same cases, written by `otto eval bench`: [benchmarks-peers.md](benchmarks-peers.md).

| machine |  |
| --- | ---: |
| processor | Abacus 3000 |
| cores | 2 |

| version |  |
| --- | ---: |
| hassil | 3.12.1 |

## Starting

The whole process, from its start to its end.

| command | n | CPU least | CPU p50 | wall least | wall p50 | peak memory, MiB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| `otto --help` | 3 | 140 | 150 | 180 | 200 | 30.5 |
| `otto route`, a new sentence | not measured: The model llama.onnx cannot be loaded, it is not there; install it / again. |  |  |  |  |  |

## A warm route

Commands and stray talk that no engine was shown: they are held out by template and by value from the examples that the PhraseBook, the tagger and hassil learn from here. Each sentence goes through every engine in turn, in one process and in changing order, after a warm-up. 10 skills are the first ten of the design, with the same sentences at every size. Beyond the bundled ones, the skills are made up. Ready is the time to open the engine and to train it on these skills; what one engine has trained, the next finds cached.

| skills | engine | ready, s | n | CPU p50 | CPU p95 | wall p50 | wall p95 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 10 | embedded | 1.26 | 3 | 10.0 | 11.8 | 12.0 | 13.8 |
| 10 | llama | not measured: ModuleNotFoundError: No module named 'otto.router.llama' |  |  |  |  |  |

With 10 skills by kind of sentence, CPU p50 / p95; a known phrase stands in the examples:

| engine | known phrase, n=1 | new command, n=2 | stray talk, n=1 |
| --- | ---: | ---: | ---: |
| embedded | 0.0500 / 0.0500 | 9.00 / 9.90 | 12.0 / 12.0 |

## Beside hassil

What the engines made of the same held-out sentences in the same run, with the ten skills. [hassil](https://github.com/OHF-Voice/hassil) is Home Assistant's recogniser of sentence templates. Its templates are written from the same examples (1,655 for hassil, lists): each example with its values taken out. With lists, a slot takes the values in the examples and its type's samples; with wildcards, any words; free text is a wildcard in both. A template of a slot alone is left out. It may skip lead-ins such as "can you" and "please", and what it captures goes through Otto's normalisers. The weights of the Llama and of the encoder were trained on the other part of the same split (finetune/embedded/split.py).

| engine | exact call | right skill | missed commands | acted on stray talk |
| --- | ---: | ---: | ---: | ---: |
| embedded | 97.5 % (390 of 400) | 99.0 % (396 of 400) | 0.5 % (2 of 400) | 0.7 % (1 of 150) |

## The embedded router's own scores

Cited from its model card (otto/router/weights/card.json), not measured here: all bundled skills, % with the 95 % confidence interval.

Sentences of a kind:

| engine | exact call | right skill | missed commands | acted on stray talk |
| --- | ---: | ---: | ---: | ---: |
| tagger | 93.9 (91.3 to 95.7), n=457 | 97.6 (95.7 to 98.7), n=457 | 2.4 (1.4 to 4.3), n=457 | – |

## Memory

MiB of a process with the bundled skills after its first answers. Own is what no other process shares.

| process | resident | own |
| --- | ---: | ---: |
| the skills alone | 57.1 | 35.9 |
| router llama | not measured: it is not there |  |
| the assistant: embedded router and speech engine | 412 | 380 |

## Speech

The 1 recordings of `otto demo`, 2 times each, through closed-phrase and the router embedded, which were ready after 2.35 s. 50.0 % (1 of 2) became the expected call.

closed-phrase took 0.0750 of real time (0.300 s for 4.00 s of speech); with the router, 0.0800 CPU seconds for each second of speech.

From the end of the speech to the call, n=2:

| part | p50 | p95 |
| --- | ---: | ---: |
| speech to text | 150 | 195 |
| router | 15.0 | 19.5 |
| both | 165 | 214 |
| both, CPU | 160 | 205 |
| with 500 ms of end-pointing | 665 | 714 |
"""


def test_the_report_of_all_figures() -> None:
    assert written(REPORT) == WRITTEN


def test_the_report_of_no_figures_says_so() -> None:
    text = written(Report("2026-11-20", "make bench", {"cores": "2"}, {}, "the skills are made up", speech=Speech(missing="There are no recordings.")))
    assert [line for line in text.splitlines() if line.startswith("#")] == ["# Benchmarks", "## Speech"]
    assert text.endswith("## Speech\n\nNot measured: There are no recordings.\n")


# statistics.quantiles' own documentation: inclusive, position 1 + p (n - 1) counted from 1
@pytest.mark.parametrize(
    ("values", "spread"),
    [
        ([7.0], Spread(1, 7.0, 7.0, 7.0)),
        ([3.0, 1.0], Spread(2, 1.0, 2.0, 2.9)),
        ([float(value) for value in range(101)], Spread(101, 0.0, 50.0, 95.0)),
    ],
)
def test_a_spread(values: list[float], spread: Spread) -> None:
    found = Spread.of(values)
    assert (found.n, found.least, found.p50) == (spread.n, spread.least, spread.p50)
    assert found.p95 == pytest.approx(spread.p95)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.01234, "0.0123"), (0.5, "0.500"), (0.9996, "1.00"), (1, "1.00"), (9.994, "9.99"), (9.996, "10.0"), (99.94, "99.9"), (99.96, "100"), (1234.5, "1,234"),
    ],
)  # fmt: skip
def test_a_figure(value: float, text: str) -> None:
    assert figure(value) == text


def test_a_share_of_nothing_is_none() -> None:
    assert (share(1, 3), share(0, 0)) == ("33.3 % (1 of 3)", "–")


def test_why_there_is_no_figure_fits_a_cell() -> None:
    assert not_measured("one\ntwo | three " + "x" * 500) == "not measured: one two / three " + "x" * 144


def test_answers_are_counted() -> None:
    timer, eight = Call("timer", {"duration": "5 minutes"}), Call("timer", {"duration": "8 minutes"})
    answers = [
        (COMMAND, timer, Route("", (timer,), 1.0, "embedded", 0.0)),
        (COMMAND, timer, eight),
        (COMMAND, timer, Call("other")),
        (COMMAND, timer, Call("news", {"topic": "tea"})),
        (COMMAND, timer, Route("", (timer, eight), 1.0, "embedded", 0.0)),  # twice as much as was asked for
        (STRAY, Call("other"), Call("other")),
        (STRAY, Call("other"), timer),
        (KNOWN, timer, timer),  # counts for nothing
    ]
    assert score("x", answers, COMMAND, STRAY) == Score("x", commands=5, exact=1, skill=2, missed=1, stray=2, acted=1)


def test_the_scores_of_a_card(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    rate = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 40}
    scores = {"template": {"what": "sentences", "tagger": dict.fromkeys(("exact", "skill", "missed", "false_calls"), rate)}}
    card.write_text(json.dumps({"seed": 7, "scores": scores}), encoding="utf-8")
    nine = Rate(0.9, 0.8, 0.95, 40)
    assert cited(card) == (Cited("sentences", "tagger", nine, nine, nine, nine),)
    for damaged in ("[]", "{", '{"scores": {"template": {"tagger": 1}}}'):
        card.write_text(damaged, encoding="utf-8")
        assert cited(card) == ()
    assert cited(tmp_path / "none.json") == ()


@pytest.fixture(scope="module")
def bundled() -> Registry:
    return Registry.load(entry_points=False)


def test_no_sentence_of_the_benchmark_is_learnt_from(bundled: Registry) -> None:
    registry, split = without_held_out(bundled)
    found = cases(split, 40)
    learnt = {example.text for spec in registry for example in spec.examples}
    assert {case.sentence.kind: case.sentence.text in learnt for case in found} == {KNOWN: True, COMMAND: False, STRAY: False}
    assert all((case.sentence.text in learnt) == (case.sentence.kind == KNOWN) for case in found)
    assert {case.call.name for case in found} <= set(TEN)


def test_skills_are_made_up_where_there_are_no_data(bundled: Registry, tmp_path: Path) -> None:
    registry = many(bundled, 200, tmp_path, 8)
    assert (len(registry), registry.problems) == (200, [])
    assert all(len(spec.examples) == 8 for spec in registry if spec.name not in bundled.specs)


@pytest.mark.parametrize(
    ("text", "listed", "wild"),
    [
        ("set a timer for five minutes", 'timer(duration="5 minutes")', 'timer(duration="5 minutes")'),
        ("Please, set a timer for 5 minutes!", "other()", 'timer(duration="5 minutes")'),  # no example says "5 minutes"
        ("set a timer for my sister", "other()", "other()"),  # captured, and refused by the normaliser
        ("tell me the news about tea", 'news(topic="tea")', 'news(topic="tea")'),  # free text is a wildcard in both
        ("that was a long day", "other()", "other()"),
    ],
)
def test_hassil_answers_with_calls(peers: tuple[Hassil, Hassil], text: str, listed: str, wild: str) -> None:
    assert [str(peer.route(text)) for peer in peers] == [listed, wild]


@pytest.fixture(scope="module")
def peers() -> tuple[Hassil, Hassil]:
    timer = Registry.load(entry_points=False).get("timer")
    timer = replace(timer, examples=(Example("set a timer for five minutes", Call("timer", {"duration": "5 minutes"})),))
    news = SkillSpec("news", "Read the news.", (Parameter("topic", plain=str),), examples=(Example("tell me the news about sports", Call("news", {"topic": "sports"})),))
    registry = Registry.of([timer, news])
    return Hassil(registry, closed=True), Hassil(registry, closed=False)
