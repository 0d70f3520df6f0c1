"""Otto: what was said becomes a call, and the call something done. This is the public face; skills import nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otto.call import Call, set_resolver
from otto.errors import CallSyntaxError, InvalidCall, MissingExtra, NetworkError, OttoError, UnknownSkill
from otto.skill import (  # now: the module otto.skill, imported later, would take the name's place
    Context,
    SkillSpec,
    skill,
)

if TYPE_CHECKING:
    from pydantic import Field

    from otto.types import AppName, Date, Duration, Expression, Location, Number, Time

__version__ = "0.1.0"
__all__ = [
    "AppName",
    "Call",
    "CallSyntaxError",
    "Context",
    "Date",
    "Duration",
    "Expression",
    "Field",
    "InvalidCall",
    "Location",
    "MissingExtra",
    "NetworkError",
    "Number",
    "OttoError",
    "SkillSpec",
    "Time",
    "UnknownSkill",
    "skill",
]



def __getattr__(name: str) -> Any:
    """What needs pydantic or the parameter types is imported when it is first named: `otto --help` needs neither."""
    from importlib import import_module

    if name in __all__:
        return getattr(import_module("pydantic" if name == "Field" else "otto.types"), name)
    raise AttributeError(f"module 'otto' has no attribute {name!r}")


def _installed_normalisers(name: str) -> Any:
    """The first comparison of two spellings loads the installed skills, whose normalisers equality applies."""
    from otto.registry import Registry

    registry = Registry.load()
    registry.install()
    return registry.specs[name].canonical_arguments if name in registry.specs else None


set_resolver(_installed_normalisers)
