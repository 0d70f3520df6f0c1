"""Calls as pieces of text, those marked that no expected call has."""

from __future__ import annotations

from collections.abc import Sequence

from otto.call import Call, printed
from otto.errors import CallSyntaxError

Piece = tuple[str, bool]  # text, whether it differs


def marked(calls: Sequence[str], alternatives: Sequence[Sequence[str]]) -> list[list[Piece]]:
    """Each call in pieces, compared with the alternative that it is nearest to; with no alternative nothing is marked."""
    if not alternatives:
        return [[(call, False)] for call in calls]
    readings = [_against(calls, expected) for expected in alternatives]
    return min(readings, key=lambda pieces: sum(differs for call in pieces for _, differs in call))


def _against(calls: Sequence[str], expected: Sequence[str]) -> list[list[Piece]]:
    wanted = [call for call in map(_parsed, expected) if call is not None]
    return [_pieces(text, wanted) for text in calls]


def _pieces(text: str, wanted: Sequence[Call]) -> list[Piece]:
    call = _parsed(text)
    if call is None:
        return [(text, True)]
    same = [other for other in wanted if other.name == call.name]
    if not same:
        return [(call.name, True), (text.partition("(")[1] + text.partition("(")[2], False)]
    other = next((other for other in same if other == call), same[0])
    pieces: list[Piece] = [(f"{call.name}(", False)]
    for place, (name, value) in enumerate(call.arguments.items()):
        pieces += [(", ", False)] if place else []
        pieces.append((f"{name}={printed(value)}", other != call and not _has(other, name, value)))
    left_out = [name for name in other.arguments if name not in call.arguments and other != call]
    pieces += [(f"{', ' if call.arguments else ''}no {', no '.join(left_out)}", True)] if left_out else []
    return [*pieces, (")", False)]


def _has(call: Call, name: str, value: object) -> bool:
    return name in call.arguments and Call(call.name, {**call.arguments, name: value}) == call


def _parsed(text: str) -> Call | None:
    try:
        return Call.parse(text)
    except CallSyntaxError:
        return None
