"""`otto eval report DIR`: one self-contained HTML page about one run.

The page is text that the template makes; every value that comes from a file is escaped there, and a content security policy
lets nothing run but the page's own script, and nothing be fetched.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval import charts
from eval.marks import marked
from eval.runs import Row, Run
from eval.summary import gold_skill, predicted_skill, warm_times
from otto.errors import MissingExtra, StoreError
from otto.tomlfile import replace_file

HERE = Path(__file__).parent
MAX_FAILURES = 2_000  # rows of the table; a browser stays quick, and the page under 2 MB
MAX_MATRIX = 24  # skills that a matrix can show and be read
MAX_POINTS = 200  # of the risk-coverage curve
OTHERS = "(others)"

Rate = Mapping[str, Any]

_SECTIONS = (
    ("figures", "Figures"),
    ("skills", "By skill"),
    ("confusion", "Confusion"),
    ("confidence", "Confidence"),
    ("latency", "Latency and noise"),
    ("failures", "Failures"),
    ("made", "How this was made"),
)
_RATES = (
    ("exact_match", "Exact call", "the call is right, every argument included"),
    ("skill_accuracy", "Right skill", "whatever its arguments"),
    ("argument_f1", "Argument F1", "over (skill, parameter, value)"),
    ("valid_call_rate", "Valid calls", "parse, and fit a skill's signature"),
    ("false_call_rate", "False calls", "acted on stray talk; lower is better"),
    ("missed_call_rate", "Missed calls", "left a command undone; lower is better"),
)
_TIMES = {
    "p50": "median",
    "p95": "95th percentile",
    "cold": "first case of a process, with the loading",
    "cpu_p50": "CPU, median",
    "cpu_p95": "CPU, 95th percentile",
    "stt_p50": "speech to text, median",
    "stt_p95": "speech to text, 95th percentile",
}


def write_report(run: Run, file: Path | None = None, limit: int = MAX_FAILURES) -> Path:
    """Write the page of a run; by default as report.html in the run's folder. Returns the file.

    Raises:
        MissingExtra: Jinja2 is not installed.
        StoreError: the file cannot be written.
    """
    file = file or run.folder / "report.html"
    page = render(run, limit)
    try:
        replace_file(file, page)
    except StoreError as error:
        raise StoreError(error.what, "make room on the disk, or name another file with --out") from None
    return file


def render(run: Run, limit: int = MAX_FAILURES) -> str:
    """The page as text.

    Args:
        run: the rows and the summary.
        limit: how many failures the table holds at most; where there are more, the page says so.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError:
        raise MissingExtra("jinja2", "eval") from None

    script = (HERE / "report.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # Markup is markup that was made here
    )
    environment.filters.update(percent=percent, interval=interval, ms=milliseconds)
    return environment.get_template("report.html.jinja").render(
        page_parts(run, limit),
        style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        charts={name: Markup(drawing) for name, drawing in drawings(run).items()},
        whisker=lambda rate: Markup(charts.whisker(rate)),
    )


def page_parts(run: Run, limit: int = MAX_FAILURES) -> dict[str, Any]:
    """What the template shows, but for the drawings: plain values."""
    summary = run.summary
    failed = [row for row in run.rows if not row["exact"]]
    shown = [failure(row) for row in failed[:limit]]
    more = f"The first {len(shown):,} of {len(failed):,} failures; all of them are in results.jsonl." if len(failed) > limit else ""
    levels = noise_levels(summary)
    return {
        "title": f"Evaluation of {router_name(summary['router'])}",
        "summary": summary,
        "sources": ", ".join(Path(source).name for source in summary.get("options", {}).get("cases", ())),
        "sections": _SECTIONS,
        "warnings": warnings(summary),
        "cards": cards(summary),
        "skills": skill_rows(summary, failed),
        "matrix": matrix(summary["confusion"]),
        "coverage_rows": every(summary["risk_coverage"], 11),
        "latencies": [(name, summary["latency_ms"][key]) for key, name in _TIMES.items() if key in summary["latency_ms"]],
        "latency_note": latency_note(run.rows),
        "noise_levels": levels,
        "noise_note": _noise_note([name for name, _ in levels]),
        "failures": shown,
        "failures_note": more or f"{len(failed):,} of {len(run.rows):,} cases.",
        "kinds": sorted(Counter(row["kind"] for row in shown).items()),
        "failed_skills": sorted({row["skill"] for row in shown}),
        "taken_skills": sorted({row["taken"] for row in shown}),
        "made": made(summary),
    }


def drawings(run: Run) -> dict[str, str]:
    """The page's charts as SVG; "noise" is empty where there are no two levels of it."""
    latency = {name: run.summary["latency_ms"].get(name) for name in ("p50", "p95")}
    marks = {name: value for name, value in latency.items() if value is not None}
    levels = noise_levels(run.summary)
    return {
        "reliability": charts.reliability(run.summary["calibration"]),
        "risk_coverage": charts.risk_coverage(every(run.summary["risk_coverage"], MAX_POINTS)),
        "latency": charts.histogram([ms["wall"] for ms in warm_times(run.rows)], marks),
        "noise": charts.by_noise(levels) if len(levels) > 1 else "",
    }


def cards(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The headline figures: name, value, interval, what it is over and what it means."""
    found = [_card(name, summary[key], means) for key, name, means in _RATES]
    error = summary["ece"]
    number = f"{error['value']:.3f}" if error["n"] else "–"
    between = f"{error['low']:.3f}–{error['high']:.3f}, n = {error['n']:,}" if error["n"] and error["low"] is not None else f"n = {error['n']:,}"
    found.append({"name": "Calibration error", "value": number, "rate": None, "under": between, "means": "ECE; 0 is perfect"})
    times = summary["latency_ms"]
    under = f"95th percentile {milliseconds(times['p95'])} ms"
    found.append({"name": "Latency, median", "value": f"{milliseconds(times['p50'])} ms", "rate": None, "under": under, "means": "wall time a case"})
    return found


def _card(name: str, rate: Rate, means: str) -> dict[str, Any]:
    if not rate["n"]:
        return {"name": name, "value": "–", "rate": None, "under": "no such case in this run", "means": means}
    under = f"{interval(rate)}, n = {rate['n']:,}"
    return {"name": name, "value": percent(rate["value"]), "rate": rate, "under": under, "means": means}


def skill_rows(summary: Mapping[str, Any], failed: Sequence[Row]) -> list[dict[str, Any]]:
    """A row a skill, the commonest first: its rates, its failures, and what it was most often taken for."""
    failures = Counter(map(gold_skill, failed))
    rows = []
    for name, scores in summary["by_skill"].items():
        wrong = {taken: n for taken, n in summary["confusion"].get(name, {}).items() if taken != name}
        taken = max(sorted(wrong), key=lambda key: wrong[key], default="")
        rows.append(
            {
                "name": name,
                "n": scores["n"],
                "exact": scores["exact_match"],
                "skill": scores["skill_accuracy"],
                "f1": scores["argument_f1"],
                "failures": failures[name],
                "taken": taken,
                "taken_n": wrong.get(taken, 0),
            }
        )
    return sorted(rows, key=lambda row: (-row["n"], row["name"]))


def matrix(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """The confusion matrix of the skills that were mixed up most, at most MAX_MATRIX of them; the rest of a row is `(others)`."""
    wrong: Counter[str] = Counter()
    for gold, row in confusion.items():
        for taken, n in row.items():
            if taken != gold:
                wrong.update({gold: n, taken: n})
    ranked = sorted(wrong, key=lambda name: (-wrong[name], name))
    chosen = sorted(ranked[:MAX_MATRIX]) if wrong else []
    rows = [name for name in chosen if name in confusion]
    hidden = any(taken not in chosen for name in rows for taken in confusion[name])
    columns = chosen + ([OTHERS] if hidden else [])
    return {
        "names": rows,
        "columns": columns,
        "rows": [(name, [_cell(name, taken, confusion[name], chosen) for taken in columns]) for name in rows],
        "note": _matrix_note(len(confusion), len([name for name in ranked if name in confusion]), len(rows)),
    }


def _cell(gold: str, taken: str, row: Mapping[str, int], chosen: Sequence[str]) -> dict[str, Any]:
    n = sum(count for name, count in row.items() if name not in chosen) if taken == OTHERS else row.get(taken, 0)
    return {"n": n, "taken": "" if taken == OTHERS else taken, "right": gold == taken, "share": round(n / sum(row.values()), 3)}


def _matrix_note(skills: int, mixed_up: int, shown: int) -> str:
    if shown < mixed_up:
        return f"The {shown} skills with the most confusion of {mixed_up} that were mixed up at all."
    return f"Left out: {skills - mixed_up} of {skills} skills, never mixed up." if skills > mixed_up else ""


def failure(row: Row) -> dict[str, Any]:
    """One row of the failures' table."""
    noise = f"at {row['snr']:g} dB" if row.get("snr") is not None else ""
    heard = row.get("heard")
    return {
        "id": row["id"],
        "kind": kind_of(row),
        "skill": gold_skill(row),
        "taken": predicted_skill(row),
        "text": row["text"],
        "heard": heard if heard != row["text"] else None,
        "noise": noise,
        "gold": [marked(calls, ()) for calls in row["gold"]],
        "predicted": marked(row["predicted"], row["gold"]),
        "answer": row.get("answer", ""),
        "alternatives": row.get("alternatives", []),
        "confidence": row["confidence"],
        "error": row.get("error"),
    }


def kind_of(row: Row) -> str:
    """What went wrong, the gravest first."""
    if row.get("error") is not None:
        return "no answer"
    if not row["valid"]:
        return "invalid call"
    for field, kind in (("false_call", "false call"), ("missed_call", "missed call")):
        if row[field]:
            return kind
    return "wrong arguments" if row["skill"] else "wrong skill"


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any figure."""
    found = []
    if not summary["complete"]:
        found.append(
            f"This run is not complete: {summary['n']:,} of {summary['asked']:,} cases were run, and every figure is over those alone. "
            "The same otto eval run with the same --out goes on where it stopped."
        )
    if summary.get("errors"):
        found.append(f"{summary['errors']:,} cases got no answer from the router; they count as wrong.")
    if summary.get("skipped"):
        found.append(f"{summary['skipped']:,} bad rows of the data were skipped; no figure is over them.")
    return found


def made(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the run can be made again from."""
    router = summary["router"]
    return [
        ("Command", shlex.join(summary["command"])),
        ("Router", router["engine"]),
        *((name, router[key]) for key, name in (("model", "Model"), ("adapter", "Adapter"), ("prompt_sha256", "Prompt, SHA-256")) if router.get(key)),
        ("Seed", str(summary["seed"])),
        ("Versions", ", ".join(f"{name} {version}" for name, version in sorted(summary["versions"].items()))),
        *((f"Data, {name}", f"SHA-256 {digest}") for name, digest in sorted(summary["data"].items())),
    ]


def router_name(router: Mapping[str, Any]) -> str:
    """The engine, and its model and adapter where it has them."""
    parts = [Path(router[key]).name or router[key] for key in ("model", "adapter") if router.get(key)]
    return " ".join([router["engine"], *(f"· {part}" for part in parts)])


def noise_levels(summary: Mapping[str, Any]) -> list[tuple[str, Rate]]:
    """(name, exact calls) of each level of noise: clean speech first, then louder and louder."""
    levels = sorted(summary["by_snr"].items(), key=lambda item: (item[0] != "clean", -float(item[0]) if item[0] != "clean" else 0))
    return [(name if name == "clean" else f"{float(name):g} dB", rates["exact_match"]) for name, rates in levels]


def _noise_note(levels: Sequence[str]) -> str:
    """Why nothing is drawn against noise."""
    if any(name != "clean" for name in levels):
        return f"All recordings were heard with noise at {levels[0]}; accuracy against noise needs two levels."
    return "No noise was added in this run, so accuracy against noise is not drawn."


def latency_note(rows: Sequence[Row]) -> str:
    cold = sum(row["cold"] for row in rows)
    cached = sum(row.get("cached", False) for row in rows)
    parts = [f"Wall time of {len(warm_times(rows)):,} cases on a logarithmic axis"]
    parts += [f"without {cold:,} that began a process"] if cold else []
    parts += [f"{cached:,} came from the cache with the time of their first run"] if cached else []
    return "; ".join(parts) + "."


def every(points: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the points, evenly spread, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def interval(rate: Rate) -> str:
    return f"{100 * rate['low']:.1f}–{100 * rate['high']:.1f}%"


def milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# Controls, the marks that turn the direction of text, and lone surrogates: unseen, misleading, or no text at all.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with what cannot be seen written out: `\\n`, `\\u202e`."""
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1] if match[0] < "\x7f" else f"\\u{ord(match[0]):04x}", text)
