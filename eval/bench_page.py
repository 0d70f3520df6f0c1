"""The page of `otto eval bench`, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from eval.bench import SUITES, Report, Row
from eval.peers import PEERS

_HEADS = ("engine", "exact call", "right skill", "argument F1", "commands", "false calls", "stray", "CPU ms, p50 / p95")
_INTRODUCTION = """\
Every engine of a suite learns from the same training rows and answers the same cases. Figures are in % with their 95 % interval.

- **exact call**, **right skill**: of the commands, those that became exactly the right call, and those that became a call of the right skill.
- **argument F1**, of the commands, counts a value only with its skill and parameter: stricter than the slot F1 of the papers.
- **false calls**: of stray talk and questions out of scope, where nothing was to be done, those that became a call.
- **CPU ms**: processor time of one sentence, in the engine's process, without the first sentence. Training and loading are not in it."""
_PEERS = """\
## The peers

Each runs in an environment of its own (`otto eval bench --install-peers`) and in one process. A template is a training sentence with its values
taken out; one that has a parameter twice, or a value that is not in its words, cannot be expressed. What a peer captures goes through Otto's
normalisers; a value that they refuse is no command.

"""
_LONGEST = 400  # characters of a reason
_NO_SUITE = "(no figure)"


def written(report: Report) -> str:
    """The whole page."""
    drawn = f" (`--limit {report.plan.limit}`, seed {report.plan.seed}: a sample, not to quote)" if report.plan.limit else ""
    parts = [
        "# Peers and public suites",
        f"Written whole by `otto eval bench` on {date.today():%Y-%m-%d}{drawn}; change eval/bench.py, not this file.",
        _INTRODUCTION,
        *[_suite(name, rows) for name, rows in report.rows.items()],
        _peers(report),
        "## Versions\n\n" + ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items())) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _suite(name: str, rows: Sequence[Row]) -> str:
    suite = SUITES[name]
    body = [_cells(row) for row in rows if row.summary]
    body += [(f"{system}, published", f"{exact:.1f}", *[""] * (len(_HEADS) - 2)) for system, exact, _ in suite.published]
    remarks = [f"- {row.engine}: {row.note}." for row in rows if row.summary and row.note]
    remarks += [f"- {row.engine} is not in the table: {_sentence(row.missing)}." for row in rows if not row.summary]
    if suite.published:
        remarks.append("- Published figures are sentence accuracy (intent and all slots) as their papers give it, on the same 700 sentences.")
    return "\n\n".join(part for part in (f"## {name}", f"{suite.what}.", _table(body) if body else _NO_SUITE, "\n".join(remarks)) if part)


def _cells(row: Row) -> tuple[str, ...]:
    summary = row.summary or {}
    latency = summary["latency_ms"]
    cpu = "–" if latency["cpu_p50"] is None else f"{_ms(latency['cpu_p50'])} / {_ms(latency['cpu_p95'])}"
    figures = [_rate(row.commands[name]) for name in ("exact_match", "skill_accuracy", "argument_f1")]
    false_calls, stray = summary["false_call_rate"], f"{summary['false_call_rate']['n']:,}"
    return (row.engine, *figures, f"{row.commands['exact_match']['n']:,}", _rate(false_calls), stray, cpu)


def _sentence(reason: str) -> str:
    """An error on one line, of a list of faults the beginning."""
    text = " ".join(reason.split()).rstrip(".")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return "–"
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})"


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(_HEADS) + " |", "| --- |" + " ---: |" * (len(_HEADS) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


def _peers(report: Report) -> str:
    named = [name for name in PEERS if name in report.plan.peers]
    if not named:
        return ""
    lines = "\n".join(f"- **{name}** ({PEERS[name].package}): {PEERS[name].what}." for name in named)
    return _PEERS + lines
