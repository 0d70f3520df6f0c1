"""results → summary.json: every rate with its n and its 95 % interval."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eval import statistics
from eval.scoring import skill_names
from otto.call import Call
from otto.skill import OTHER

INVALID = "(invalid)"  # beside the skills in the confusion matrix
CLEAN = "clean"  # beside the decibels in by_snr

Row = Mapping[str, Any]  # schemas/result.json


def summarise(rows: Sequence[Row], asked: int, about: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a run (schemas/summary.json).

    Args:
        rows: the results.
        asked: how many cases there should be results of.
        about: what is known beside them: versions, data, command, seed, router, skipped.
    """
    return {
        "asked": asked,
        "n": len(rows),
        "complete": len(rows) == asked,
        "errors": sum(row["error"] is not None for row in rows),
        **{name: rate.to_json() for name, rate in rates(rows).items()},
        "ece": calibration_error(rows).to_json(),
        "risk_coverage": statistics.risk_coverage(*_confidences(rows)),
        "latency_ms": latency(rows),
        "by_skill": by_skill(rows),
        "by_snr": by_snr(rows),
        "confusion": confusion(rows),
        "calibration": [asdict(item) for item in statistics.calibration_bins(*_confidences(rows))],
        **about,
    }


def rates(rows: Sequence[Row]) -> dict[str, statistics.Rate]:
    """The rates of the headline."""
    strays = [row for row in rows if row["stray"]]
    commands = [row for row in rows if not row["stray"]]
    precision, recall, f1 = argument_rates(rows)
    return {
        "exact_match": share(rows, "exact"),
        "skill_accuracy": share(rows, "skill"),
        "argument_precision": precision,
        "argument_recall": recall,
        "argument_f1": f1,
        "valid_call_rate": share(rows, "valid"),
        "false_call_rate": share(strays, "false_call"),
        "missed_call_rate": share(commands, "missed_call"),
    }


def share(rows: Sequence[Row], name: str) -> statistics.Rate:
    """The share of rows of which a field is true."""
    return statistics.rate([row[name] for row in rows], _groups(rows))


def argument_rates(rows: Sequence[Row]) -> tuple[statistics.Rate, statistics.Rate, statistics.Rate]:
    """Micro-averaged precision, recall and F1 of the arguments. `n` is the cases that have any, predicted or right."""
    some = [row for row in rows if any(row["arguments"].values())]
    tp, fp, fn = ([row["arguments"][name] for row in some] for name in ("tp", "fp", "fn"))
    return statistics.bootstrap_f1(tp, fp, fn, _groups(some))


def calibration_error(rows: Sequence[Row]) -> statistics.Rate:
    return statistics.expected_calibration_error(*_confidences(rows), _groups(rows))


def latency(rows: Sequence[Row]) -> dict[str, float | None]:
    """Milliseconds in the router, the first case of a process apart: `cold` is that one with the loading before it.

    What was not recognised never came to the router.
    """
    answered = [row for row in rows if not row["cold"] and row["error"] is None]
    warm = warm_times(rows)
    cold = [row["ms"]["wall"] + row["ms"].get("load", 0.0) for row in rows if row["cold"]]
    heard = [row["ms"]["stt"] for row in answered if "stt" in row["ms"]]
    found = {
        "p50": _percentile((ms["wall"] for ms in warm), 0.5),
        "p95": _percentile((ms["wall"] for ms in warm), 0.95),
        "cold": _percentile(cold, 0.5),
        "cpu_p50": _percentile((ms["cpu"] for ms in warm), 0.5),
        "cpu_p95": _percentile((ms["cpu"] for ms in warm), 0.95),
    }
    return {**found, **({"stt_p50": _percentile(heard, 0.5), "stt_p95": _percentile(heard, 0.95)} if heard else {})}


def warm_times(rows: Sequence[Row]) -> list[Mapping[str, float]]:
    """The milliseconds of the cases that latency is over: answered by the router, and not the first of a process."""
    return [row["ms"] for row in rows if not row["cold"] and row["error"] is None and row["heard"] != ""]


def by_skill(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The rates of the cases of each skill; cases of several skills are under `A+B`."""
    found = defaultdict(list)
    for row in rows:
        found[gold_skill(row)].append(row)
    return {
        name: {
            "exact_match": share(own, "exact").to_json(),
            "skill_accuracy": share(own, "skill").to_json(),
            "argument_f1": argument_rates(own)[2].to_json(),
            "n": len(own),
        }
        for name, own in sorted(found.items())
    }


def by_snr(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """The rates at each level of noise, the quietest first; empty where nothing was heard."""
    found = defaultdict(list)
    for row in rows:
        if row["heard"] is not None:
            found[row["snr"]].append(row)
    levels = sorted(found, key=lambda snr: float("inf") if snr is None else snr, reverse=True)
    return {CLEAN if snr is None else f"{snr:g}": {name: rate.to_json() for name, rate in rates(found[snr]).items()} for snr in levels}


def confusion(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Skill that is right → skill that was called → cases."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        found[gold_skill(row)][predicted_skill(row)] += 1
    return {gold: dict(sorted(predicted.items())) for gold, predicted in sorted(found.items())}


def gold_skill(row: Row) -> str:
    """The skills of the alternative that was hit, else of the first; several joined by +."""
    alternatives = [_names(calls) for calls in row["gold"]]
    predicted = predicted_skill(row)
    return predicted if predicted in alternatives else alternatives[0]


def predicted_skill(row: Row) -> str:
    """The skills that were called, joined by +."""
    return _names(row["predicted"]) if row["valid"] else INVALID


def _names(calls: Iterable[str]) -> str:
    texts = list(calls)
    if len(texts) == 1:
        return texts[0].partition("(")[0]
    return "+".join(skill_names(Call.parse(text) for text in texts)) or OTHER


def _groups(rows: Sequence[Row]) -> list[str]:
    return [row["group"] for row in rows]


def _confidences(rows: Sequence[Row]) -> tuple[list[float], list[bool]]:
    return [row["confidence"] for row in rows], [row["exact"] for row in rows]


def _percentile(values: Iterable[float], share: float) -> float | None:
    found = statistics.percentile(list(values), share)
    return None if found is None else round(found, 3)
