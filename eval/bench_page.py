"""The page of `otto eval bench`, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from eval.barista import NOISY
from eval.bench import EVERY, Report, Row
from eval.peers import PEERS
from eval.suites import ACCEPTANCE, ENGINES_2017, SUITES, Suite
from eval.summary import CLEAN

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
_PUBLISHED = "Published figures are sentence accuracy (intent and all slots) as their papers give it, on the same 700 sentences."
_BARISTA = """\
The figures are command acceptance as Picovoice's speech-to-intent benchmark defines it: the share of recordings of which the intent and
every labelled slot are right; a slot that the label lacks is not looked at. A refusal is no acceptance. The published figures are those
in its src/plot.py: by level those with noise of a kitchen, in the last column its headline, the mean over two noises and seven levels.
What differs:

- **Recordings**: 619 there; here 373 of them, whole speakers as well as can be told.
- **The ratio**: its mixer sets the loudest 128 ms of the speech against the loudest 128 ms of the noise, and makes every mixture as loud
  as half of full scale. Here the root mean square of the speech, where somebody speaks, stands against that of the noise over the same
  samples, and speech keeps its level. At one figure in dB the noise here is the louder one, by 2.7 dB on average (n=80 recordings, standard
  deviation 2.5): 6 dB here are about 3 dB there.
- **Noise**: the kitchen alone, since the café's is not among the data; its place in the file is drawn by the seed, there by none.
- **Tuning**: when the closed-phrase engine refuses was fitted on recordings of half of these speakers."""
_LONGEST = 400  # characters of a reason
_ABOUT_2017 = """\
Of the engines of June 2017 no exact calls on these sentences were found. What is published is the precision and recall of each slot,
measured intent by intent, so that no intent could be mistaken (Coucke et al. 2018, arXiv:1805.10190). The figures are our means of the
metrics files of github.com/sonos/nlu-benchmark at b86ac7f15778, over slots and samples, then over the seven intents; a slot that an
engine never answered has no precision and is left out of it. For more than 70 training queries an intent the files have Snips alone.
Watson was not among the engines."""
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
    measured = [row for row in rows if row.summary]
    body = _barista(suite, measured) if suite.stt else _exact_calls(suite, measured)
    remarks = [f"- {row.engine}: {row.note}." for row in measured if row.note]
    remarks += [_left_out(row) for row in rows if not row.summary]
    parts = (f"## {name}", f"{suite.what}.", body, "\n".join(remarks), _engines_of_2017() if name == "snips" else "")
    return "\n\n".join(part for part in parts if part)


def _engines_of_2017() -> str:
    heads = ("engine of 2017, published", "training queries an intent", "slot precision", "slot recall")
    rows = [(name, queries, f"{precision:.1f}", f"{recall:.1f}") for name, queries, precision, recall in ENGINES_2017]
    return f"{_ABOUT_2017}\n\n{_table(heads, rows)}"


def _left_out(row: Row) -> str:
    reason = _sentence(row.missing)
    return f"- Not run: {reason}." if row.engine == EVERY else f"- {row.engine} is not in the table: {reason}."


def _exact_calls(suite: Suite, measured: Sequence[Row]) -> str:
    body = [_cells(row) for row in measured]
    body += [(f"{system}, published", f"{exact:.1f}", *[""] * (len(_HEADS) - 2)) for system, exact in suite.published]
    about = f"\n\n{_PUBLISHED}" if suite.published else ""
    return _table(_HEADS, body) + about if body else _NO_SUITE


def _barista(suite: Suite, measured: Sequence[Row]) -> str:
    """Command acceptance by level of noise, beside the published figures."""
    levels = [snr for snr in suite.snr if snr is not None]
    heads = ("engine", CLEAN, *[f"{snr:g} dB" for snr in levels], "mean of these levels", "recordings", "café and kitchen, 24 to 6 dB")
    body = []
    for row in measured:
        shares = [row.acceptance.get(name) for name in (CLEAN, *[f"{snr:g}" for snr in levels], NOISY)]
        recordings = max((share["n"] for share in row.acceptance.values() if share is not row.acceptance[NOISY]), default=0)
        name = f"Otto: {suite.stt}, {row.engine}"
        body.append((name, *[_rate(share) if share else "–" for share in shares], f"{recordings:,}", "–"))
    for system, (kitchen, mean) in ACCEPTANCE.items():
        told = [kitchen[snr] for snr in levels]
        body.append((f"{system}, published", "–", *map(str, told), f"{sum(told) / len(told):.1f}", "619", f"{mean:.1f}"))
    exact = [f"Exact calls of {row.engine} over all levels, clean included: {_rate((row.summary or {})['exact_match'])}." for row in measured]
    return "\n\n".join([_table(heads, body), *exact, _BARISTA])


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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


def _peers(report: Report) -> str:
    named = [name for name in PEERS if name in report.plan.peers]
    if not named:
        return ""
    lines = "\n".join(f"- **{name}** ({PEERS[name].package}): {PEERS[name].what}." for name in named)
    return _PEERS + lines
