"""Parameter types that normalise what was said: "two and a half hours" becomes `2 hours 30 minutes`.

Each type is declared once. Validation, the equality of calls, the decoding grammar, the prompt, the speech grammar and
the router's search for spans are all made from the declaration.
"""

from __future__ import annotations

from otto.types.base import SpokenType
from otto.types.clock import Time
from otto.types.dates import Date
from otto.types.duration import Duration
from otto.types.expression import Expression
from otto.types.names import AppName, Location
from otto.types.numbers import Number

__all__ = ["SPOKEN", "AppName", "Date", "Duration", "Expression", "Location", "Number", "SpokenType", "Time"]

SPOKEN: dict[str, type[SpokenType]] = {
    kind.__name__: kind for kind in (Duration, Number, Expression, Date, Time, Location, AppName)
}
