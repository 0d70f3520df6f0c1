"""SkillSpecs + utterance → prompt, per model family, from the templates in prompts/. The skill list is rendered in, never typed in."""

from __future__ import annotations

from collections.abc import Iterable

from otto.parameters import Parameter
from otto.skill import OTHER, SkillSpec


def embedded_prefix(specs: Iterable[SkillSpec]) -> str:
    """The part of the embedded model's prompt that only the installed skills decide: one line a skill. To be cached."""
    return "".join(f"{_compact(spec)}\n" for spec in specs if spec.name != OTHER)


def embedded_suffix(utterance: str) -> str:
    """The part of the embedded model's prompt that follows the prefix; the call comes after it, on a line of its own."""
    return f"> {' '.join(utterance.split())}\n"


def _compact(spec: SkillSpec) -> str:
    """`timer(duration:Duration) set a timer`."""
    description = spec.description.rstrip(".")
    return f"{spec.name}({','.join(map(_compact_parameter, spec.parameters))}) {description[:1].lower()}{description[1:]}"


def _compact_parameter(parameter: Parameter) -> str:
    if parameter.choices:
        kind = "|".join(map(str, parameter.choices))
    else:
        kind = (parameter.spoken or parameter.plain or str).__name__
    return f"{parameter.name}{'' if parameter.required else '?'}:{kind}{'*' if parameter.is_list else ''}"
