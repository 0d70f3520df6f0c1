"""Figures → docs/benchmarks.md. A pure function: the same figures give the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.corpus import COMMAND, KNOWN, STRAY
from tests.bench.figures import Cited, Memory, Rate, Recall, Report, Score, Speech, Spread, Start, Warm

NEW = (COMMAND, STRAY)


def written(report: Report) -> str:
    """The whole document."""
    sections = [_head(report), _starts(report.starts), _warm(report), _kinds(report.warm), _scores(report), _card(report.card), _recalls(report.recalls), _memory(report.memory), _speech(report.speech)]
    return "\n\n".join(section for section in sections if section) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, the others to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float) -> str:
    """Three significant figures, without an exponent: 0.0123, 4.56, 78.9, 1,234."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.9995 else f"{value:.3f}" if abs(value) >= 0.09995 else f"{value:.4f}"


def share(part: int, whole: int) -> str:
    """`97.3 % (396 of 407)`"""
    return f"{100 * part / whole:.1f} % ({part} of {whole})" if whole else "–"


def not_measured(why: str) -> str:
    """Why there is no figure, as a cell of a table."""
    return f"not measured: {' '.join(why.replace('|', '/').split())[:160]}"


def _head(report: Report) -> str:
    return (
        "# Benchmarks\n\n"
        f"Written whole by `{report.command}` on {report.date}; change tests/bench/, not this file. Times are in milliseconds. "
        "CPU is that of all threads of the process; wall is what a person waits. p50 is the median, p95 the 95th percentile, n the number of measurements.\n\n"
        "Public suites and other recognisers on the same cases, written by `otto eval bench`: [benchmarks-peers.md](benchmarks-peers.md).\n\n"
        f"{table(('machine', ''), report.machine.items())}\n\n{table(('version', ''), report.versions.items())}"
    )


def _starts(starts: Sequence[Start]) -> str:
    if not starts:
        return ""
    heads = ("command", "n", "CPU least", "CPU p50", "wall least", "wall p50", "peak memory, MiB")
    return f"## Starting\n\nThe whole process, from its start to its end.\n\n{table(heads, map(_start, starts))}"


def _start(start: Start) -> tuple[str, ...]:
    if start.missing:
        return (start.what, not_measured(start.missing), *[""] * 5)
    cpu, wall, peak = (Spread.of(getattr(run, name) for run in start.runs) for name in ("cpu", "wall", "peak"))
    return (start.what, str(cpu.n), figure(cpu.least), figure(cpu.p50), figure(wall.least), figure(wall.p50), figure(peak.p50))


def _warm(report: Report) -> str:
    if not report.warm:
        return ""
    rows = []
    for warm in report.warm:
        if warm.missing:
            rows.append((str(warm.skills), warm.engine, not_measured(warm.missing), *[""] * 5))
        else:
            cpu, wall = warm.spread("cpu", NEW), warm.spread("wall", NEW)
            rows.append((str(warm.skills), warm.engine, figure(warm.ready), str(cpu.n), *_spread(cpu), *_spread(wall)))
    heads = ("skills", "engine", "ready, s", "n", "CPU p50", "CPU p95", "wall p50", "wall p95")
    return (
        "## A warm route\n\n"
        "Commands and stray talk that no engine was shown: they are held out by template and by value from the examples that the PhraseBook, the tagger "
        "and hassil learn from here. Each sentence goes through every engine in turn, in one process and in changing order, after a warm-up. "
        "10 skills are the first ten of the design, with the same sentences at every size. "
        f"Beyond the bundled ones, {report.origin}. Ready is the time to open the engine and to train it on these skills; what one engine has trained, the next finds cached.\n\n"
        f"{table(heads, rows)}"
    )


def _spread(spread: Spread) -> tuple[str, str]:
    return figure(spread.p50), figure(spread.p95)


def _kinds(warm: Sequence[Warm]) -> str:
    measured = [row for row in warm if not row.missing and row.skills == min(row.skills for row in warm)]
    if not measured:
        return ""
    kinds = [kind for kind in (KNOWN, COMMAND, STRAY) if any(sample.kind == kind for sample in measured[0].samples)]
    rows = [(row.engine, *[f"{figure(spread.p50)} / {figure(spread.p95)}" for spread in (row.spread("cpu", [kind]) for kind in kinds)]) for row in measured]
    heads = ("engine", *[f"{kind}, n={measured[0].spread('cpu', [kind]).n}" for kind in kinds])
    return f"With {measured[0].skills} skills by kind of sentence, CPU p50 / p95; a known phrase stands in the examples:\n\n{table(heads, rows)}"


def _scores(report: Report) -> str:
    if not report.scores:
        return ""
    templates = ", ".join(f"{count:,} for {engine}" for engine, count in report.templates.items())
    heads = ("engine", "exact call", "right skill", "missed commands", "acted on stray talk")
    return (
        "## Beside hassil\n\n"
        "What the engines made of the same held-out sentences in the same run, with the ten skills. "
        "[hassil](https://github.com/OHF-Voice/hassil) is Home Assistant's recogniser of sentence templates. Its templates are written from the "
        f"same examples ({templates}): each example with its values taken out. "
        "With lists, a slot takes the values in the examples and its type's samples; with wildcards, any words; free text is a wildcard in both. A template of a slot alone is left out. It may skip "
        "lead-ins such as \"can you\" and \"please\", and what it captures goes through Otto's normalisers. "
        "The weights of the Llama and of the encoder were trained on the other part of the same split (finetune/embedded/split.py).\n\n"
        f"{table(heads, map(_score, report.scores))}"
    )


def _score(score: Score) -> tuple[str, ...]:
    return (
        score.engine,
        share(score.exact, score.commands),
        share(score.skill, score.commands),
        share(score.missed, score.commands),
        share(score.acted, score.stray),
    )


def _card(card: Sequence[Cited]) -> str:
    sets = dict.fromkeys(row.sentences for row in card)
    if not sets:
        return ""
    heads = ("engine", "exact call", "right skill", "missed commands", "acted on stray talk")
    tables = [
        f"{sentences[0].upper()}{sentences[1:]}:\n\n{table(heads, [_cited(row) for row in card if row.sentences == sentences])}" for sentences in sets
    ]
    return "\n\n".join(
        (
            "## The embedded router's own scores",
            "Cited from its model card (otto/router/weights/card.json), not measured here: all bundled skills, % with the 95 % confidence interval.",
            *tables,
        )
    )


def _cited(row: Cited) -> tuple[str, ...]:
    return (row.engine, *map(_rate, (row.exact, row.skill, row.missed, row.false_calls)))


def _rate(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f} to {100 * rate.high:.1f}), n={rate.n}" if rate.n else "–"


def _recalls(recalls: Sequence[Recall]) -> str:
    if not recalls:
        return ""
    shown = sorted({recall.shown for recall in recalls})
    by_row: dict[tuple[str, int], dict[int, Recall]] = {}
    for recall in recalls:
        by_row.setdefault((recall.what, recall.skills), {})[recall.shown] = recall
    rows = [(what, str(skills), *[share(row[count].found, row[count].n) for count in shown]) for (what, skills), row in by_row.items()]
    return (
        "## Many skills\n\n"
        "The Llama reads at most 24 signatures; with more skills installed, the retriever names the likely ones. How often the right skill is among the "
        "first, on sentences of the public data that are in no training file (the encoder was tuned on other sentences of these skills):\n\n"
        f"{table(('sentences', 'skills', *[f'first {count}' for count in shown]), rows)}"
    )


def _memory(memory: Sequence[Memory]) -> str:
    if not memory:
        return ""
    names = {"registry": "the skills alone", "assistant": "the assistant: embedded router and speech engine"}
    rows = [
        (names.get(item.what, f"router {item.what}"), not_measured(item.missing) if item.missing else figure(item.resident), "" if item.missing else figure(item.own))
        for item in memory
    ]
    return f"## Memory\n\nMiB of a process with the bundled skills after its first answers. Own is what no other process shares.\n\n{table(('process', 'resident', 'own'), rows)}"


def _speech(speech: Speech) -> str:
    title = "## Speech"
    if speech.missing or not speech.heard:
        return f"{title}\n\nNot measured: {speech.missing or 'there are no recordings'}"
    heard = speech.heard
    seconds = sum(item.seconds for item in heard)
    stt, route, cpu = (Spread.of(getattr(item, name) for item in heard) for name in ("stt", "route", "cpu"))
    compute = Spread.of(item.stt + item.route for item in heard)
    whole = Spread.of(speech.silence + item.stt + item.route for item in heard)
    rows = [
        (name, *_spread(spread))
        for name, spread in (("speech to text", stt), ("router", route), ("both", compute), ("both, CPU", cpu), (f"with {speech.silence:.0f} ms of end-pointing", whole))
    ]
    passes = len(heard) // speech.recordings
    return (
        f"{title}\n\n"
        f"The {speech.recordings} recordings of `otto demo`, {passes} {'time' if passes == 1 else 'times'} each, through {speech.engine} and the router {speech.router}, which were "
        f"ready after {figure(speech.ready)} s. {share(sum(item.right for item in heard), len(heard))} became the expected call.\n\n"
        f"{speech.engine} took {figure(sum(item.stt for item in heard) / 1000 / seconds)} of real time "
        f"({figure(sum(item.stt for item in heard) / 1000)} s for {figure(seconds)} s of speech); with the router, "
        f"{figure(sum(item.cpu for item in heard) / 1000 / seconds)} CPU seconds for each second of speech.\n\n"
        f"From the end of the speech to the call, n={len(heard)}:\n\n{table(('part', 'p50', 'p95'), rows)}"
    )
