"""The one interface of all call engines, and what they share."""

from __future__ import annotations

from typing import Protocol

from otto.call import Call
from otto.messages import Route
from otto.registry import Registry
from otto.skill import OTHER

NOTHING = Call(OTHER)


class Router(Protocol):
    """Turns a text into calls of the installed skills, or into `other()`."""

    name: str

    def route(self, text: str) -> Route:
        """The calls that the text asks for. Raises ModelError or NetworkError where the engine cannot work."""
        ...

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        ...
