"""The report's drawings: numbers in, one inline SVG out, coloured by the page's style sheet in light and in dark.

Every drawing carries its meaning as an `aria-label`; what is exact stands in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

WIDTH, HEIGHT = 420, 270  # user units; near the width of a telephone, so that the letters stay readable there
LEFT, RIGHT, TOP, BOTTOM = 54, 20, 14, 42  # margins that hold the axes' words
BUCKETS = 40  # of the latency histogram

Point = tuple[float, float]
Rate = Mapping[str, Any]  # {"value", "low", "high", "n"}, the first three None where n is 0


@dataclass(frozen=True)
class _Frame:
    """Where data lands on paper: x and y ranges → user units."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        return self.across(x), self.up(y)

    def across(self, x: float) -> float:
        return LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def up(self, y: float) -> float:
        return TOP + (self.y[1] - y) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)


def reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy against confidence, a dot a bin, its area by the number of cases; on the diagonal a confidence is what it says."""
    frame = _Frame((0, 1), (0, 1))
    filled = [bin for bin in bins if bin["n"]]
    svg = _svg(f"Calibration: accuracy against confidence in {len(filled)} bins; the diagonal is perfect calibration.")
    _axes(svg, frame, [(tick / 5, _percent(tick / 5)) for tick in range(6)], [(tick / 5, _percent(tick / 5)) for tick in range(6)])
    _names(svg, frame, "confidence", "accuracy")
    _line(svg, [frame.at(0, 0), frame.at(1, 1)], "ideal")
    most = max((bin["n"] for bin in filled), default=1)
    for bin in filled:
        x, y = frame.at(bin["confidence"], bin["accuracy"])
        _line(svg, [(x, y), (x, frame.up(bin["confidence"]))], "gap")
        words = f"confidence {bin['low']:.2f} to {bin['high']:.2f}: {bin['accuracy']:.1%} right of {bin['n']:,}"
        _dot(svg, (x, y), 3 + 7 * math.sqrt(bin["n"] / most), words)
    return _text(svg)


def risk_coverage(points: Sequence[Sequence[float]]) -> str:
    """The share of wrong answers among the surest, as more and more of them are answered."""
    highest = max([risk for _, risk in points], default=0.0)
    top, ticks = _nice(highest)
    frame = _Frame((0, 1), (0, top))
    whole = f" At full coverage {points[-1][1]:.1%} are wrong." if points else ""
    svg = _svg(f"Risk against coverage: the share of wrong answers among the surest cases.{whole}")
    _axes(svg, frame, [(tick / 5, _percent(tick / 5)) for tick in range(6)], [(tick, _percent(tick)) for tick in ticks])
    _names(svg, frame, "share of cases answered, surest first", "wrong")
    if points:
        path = [frame.at(coverage, risk) for coverage, risk in points]
        foot = frame.up(0)
        _area(svg, [(path[0][0], foot), *path, (path[-1][0], foot)])
        _line(svg, path, "curve")
    return _text(svg)


def histogram(values: Sequence[float], marks: Mapping[str, float]) -> str:
    """How many cases took how long, ms on a logarithmic axis, with named upright marks ("p50": 12.0)."""
    low, high = _decades([*values, *marks.values()])
    counts = [0] * BUCKETS
    for value in values:
        place = (math.log10(max(value, 10**low)) - low) / (high - low)
        counts[min(int(place * BUCKETS), BUCKETS - 1)] += 1
    top, ticks = _nice_count(max(counts, default=0))
    frame = _Frame((low, high), (0, top))
    named = ", ".join(f"{name} {_ms(value)}" for name, value in marks.items())
    svg = _svg(f"Latency of {len(values):,} cases in milliseconds, logarithmic axis{': ' + named if named else ''}.")
    _axes(svg, frame, _decade_ticks(low, high), [(tick, f"{tick:,.0f}") for tick in ticks])
    _names(svg, frame, "wall time a case, ms", "cases")
    step = (high - low) / BUCKETS
    for index, number in enumerate(counts):
        if number:
            start, end = 10 ** (low + index * step), 10 ** (low + (index + 1) * step)
            _bar(svg, frame, low + index * step, step, number, f"{_ms(start)} to {_ms(end)}: {number:,}")
    for place, (name, value) in enumerate(marks.items()):
        x = frame.across(math.log10(max(value, 10**low)))
        _line(svg, [(x, TOP), (x, frame.up(0))], "mark")
        late = x > WIDTH * 0.7
        _words(svg, (x - 4 if late else x + 4, TOP + 10 + 13 * place), f"{name} {_ms(value)}", "note", "end" if late else "start")
    return _text(svg)


def by_noise(levels: Sequence[tuple[str, Rate]]) -> str:
    """A rate at each level of noise, with its interval, from clean speech to the loudest noise."""
    measured = [(name, rate) for name, rate in levels if rate["n"]]
    lowest = min((rate["low"] for _, rate in measured), default=0.0)
    floor = max(0.0, math.floor((lowest - 0.02) * 10) / 10)
    frame = _Frame((-0.5, max(len(measured), 1) - 0.5), (floor, 1))
    svg = _svg("Exact calls against noise: " + ", ".join(f"{name} {rate['value']:.1%}" for name, rate in measured) + ".")
    tenths = round((1 - floor) * 10)
    ticks = [1 - tick / 10 for tick in range(0, tenths + 1, 2 if tenths > 5 else 1)]
    _axes(svg, frame, [(index, name) for index, (name, _) in enumerate(measured)], [(tick, _percent(tick)) for tick in ticks])
    _names(svg, frame, "speech over noise", "exact calls")
    _line(svg, [frame.at(index, rate["value"]) for index, (_, rate) in enumerate(measured)], "curve")
    for index, (name, rate) in enumerate(measured):
        _error_bar(svg, frame.across(index), frame.up(rate["low"]), frame.up(rate["high"]))
        _dot(svg, frame.at(index, rate["value"]), 4, f"{name}: {rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%}) of {rate['n']:,}")
    return _text(svg)


def whisker(rate: Rate) -> str:
    """A rate and its interval on a line from 0 to 100 %, small enough for a table's cell; nothing where there is no case."""
    svg = Element("svg", {"viewBox": "-3 0 110 12", "class": "whisker", "aria-hidden": "true", "focusable": "false"})
    _line(svg, [(2, 6), (102, 6)], "track")
    if rate["n"]:
        _line(svg, [(2 + 100 * rate["low"], 6), (2 + 100 * rate["high"], 6)], "span")
        _dot(svg, (2 + 100 * rate["value"], 6), 2.5)
    return _text(svg)


def _svg(label: str) -> Element:
    return Element("svg", {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "chart", "role": "img", "aria-label": label})


def _text(svg: Element) -> str:
    return ElementTree.tostring(svg, encoding="unicode")


def _axes(svg: Element, frame: _Frame, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]]) -> None:
    left, right, foot = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM
    for value, name in up:
        y = frame.up(value)
        _line(svg, [(left, y), (right, y)], "grid")
        _words(svg, (left - 6, y + 4), name, "tick", "end")
    for value, name in across:
        x = frame.across(value)
        _line(svg, [(x, foot), (x, foot + 4)], "axis")
        _words(svg, (x, foot + 17), name, "tick", "middle")
    _line(svg, [(left, foot), (right, foot)], "axis")


def _names(svg: Element, frame: _Frame, across: str, up: str) -> None:
    _words(svg, ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6), across, "name", "middle")
    middle = (TOP + HEIGHT - BOTTOM) / 2
    _words(svg, (11, middle), up, "name", "middle").set("transform", f"rotate(-90 11 {_short(middle)})")


def _words(svg: Element, at: Point, text: str, style: str, anchor: str) -> Element:
    element = SubElement(svg, "text", {"x": _short(at[0]), "y": _short(at[1]), "class": style, "text-anchor": anchor})
    element.text = text
    return element


def _line(svg: Element, points: Sequence[Point], style: str) -> None:
    SubElement(svg, "polyline", {"points": _points(points), "class": style})


def _area(svg: Element, points: Sequence[Point]) -> None:
    SubElement(svg, "polygon", {"points": _points(points), "class": "area"})


def _dot(svg: Element, at: Point, radius: float, title: str = "") -> None:
    dot = SubElement(svg, "circle", {"cx": _short(at[0]), "cy": _short(at[1]), "r": _short(radius), "class": "dot"})
    if title:
        SubElement(dot, "title").text = title


def _bar(svg: Element, frame: _Frame, x: float, width: float, y: float, title: str) -> None:
    left, right, top = frame.across(x), frame.across(x + width), frame.up(y)
    box = {"x": _short(left + 0.5), "y": _short(top), "width": _short(right - left - 1), "height": _short(frame.up(0) - top)}
    SubElement(SubElement(svg, "rect", {**box, "class": "bar"}), "title").text = title


def _error_bar(svg: Element, x: float, low: float, high: float) -> None:
    for line in ([(x, low), (x, high)], [(x - 4, low), (x + 4, low)], [(x - 4, high), (x + 4, high)]):
        _line(svg, line, "error")


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_short(x)},{_short(y)}" for x, y in points)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.2g} ms"


def _nice(highest: float) -> tuple[float, list[float]]:
    """A share's axis: its top, at most 1, and about five ticks."""
    for step in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1):
        if highest <= 5 * step:
            return 5 * step, [step * tick for tick in range(6)]
    return 1.0, [0.2 * tick for tick in range(6)]


def _nice_count(highest: int) -> tuple[float, list[float]]:
    """A count's axis: its top and five ticks, whole numbers."""
    step = next(factor * 10**power for power in count() for factor in (1, 2, 5) if highest <= 4 * factor * 10**power)
    return 4 * step, [float(step * tick) for tick in range(5)]


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Exponents that hold every value: half a decade at the least."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    low, high = math.floor(low * 4) / 4, math.ceil(high * 4) / 4
    return (low, high) if high - low >= 0.5 else (low - 0.25, high + 0.25)


def _decade_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """1, 2 and 5 of each decade where there is room, else the decades alone."""
    factors = (1, 2, 5) if high - low <= 3 else (1,)
    values = [factor * 10.0**decade for decade in range(math.floor(low), math.ceil(high) + 1) for factor in factors]
    return [(math.log10(value), f"{value:,.6g}") for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
