"""SkillSpecs + utterance → prompt, per model family, from the templates in prompts/, with the skill list rendered in.

A rendered prompt holds every special token of its family: tokenise it without adding any. The last newline of a
template's file is the file's, not the prompt's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from otto.call import Call
from otto.errors import InvalidCall, UsageError
from otto.parameters import Parameter
from otto.paths import room
from otto.skill import OTHER, SkillSpec

FAMILIES = ("embedded", "mistral-instruct", "llama-2", "llama-2-chat", "llama-3", "chatml", "openai")
STRAY_TALK = "no I was talking to my sister"  # shown with other()

_SPECIAL = re.compile(r"<\|[^|<>\s]*\|>|\[/?INST\]|<</?SYS>>|</?s>")
_BY_TEMPLATE = (  # what a chat template writes → family; the first that is found counts
    ("<|im_start|>", "chatml"),
    ("<|start_header_id|>", "llama-3"),
    ("<<SYS>>", "llama-2-chat"),
    ("[INST]", "mistral-instruct"),
)
_BY_NAME = (  # in a model's name, in lower case → family
    (r"^(embedded|otto)\b", "embedded"),
    (r"mi[sx]tral|ministral", "mistral-instruct"),
    (r"llama-?2.*chat", "llama-2-chat"),
    (r"llama-?2", "llama-2"),
    (r"llama-?3", "llama-3"),
    (r"qwen|chatml|hermes|smollm|dolphin", "chatml"),
    (r"^(gpt-|chatgpt|o[134]\b)", "openai"),
)


def render(family: str, specs: Iterable[SkillSpec], utterance: str, *, shots: int = 1, own: str = "") -> str:
    """The prompt of a family, up to where the model's answer begins.

    Args:
        family: one of FAMILIES; `openai` renders the system message alone (see `messages`).
        specs: the installed skills.
        utterance: what was said.
        shots: examples shown of each skill.
        own: a prompt of the user's that `check_own` has passed, in place of the instructions or of the whole template.

    Raises:
        UsageError: there is no such family.
    """
    skills = [spec for spec in specs if spec.name != OTHER]
    if family == "embedded":
        return embedded_prefix(skills) + embedded_suffix(utterance)
    whole = bool(_SPECIAL.search(own))
    parts = {"skills": _plain(_skill_list(skills)), "examples": _plain(_examples(skills, shots))}
    parts["instructions"] = Template(_template("instructions") if whole or not own else own).substitute(parts)
    return Template(own if whole else _template(family)).substitute(parts, utterance=_said(utterance))


def messages(specs: Iterable[SkillSpec], utterance: str, *, shots: int = 1, own: str = "") -> list[dict[str, str]]:
    """The messages of a chat completion, for servers that write their model's special tokens themselves."""
    system = render("openai", specs, utterance, shots=shots, own=own)
    return [{"role": "system", "content": system}, {"role": "user", "content": _said(utterance)}]


def read_own(file: str, family: str, model: str) -> str:
    """The user's own prompt, from its file; "" where there is none.

    Raises:
        UsageError: the file cannot be read, or its prompt does not fit the model.
    """
    if not file:
        return ""
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8-sig").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"The prompt {file} cannot be read ({reason})", "name another file with `otto config set router.prompt FILE`") from None
    check_own(text, family, model)
    return text


def check_own(text: str, family: str, model: str) -> None:
    """Whether a prompt of the user's fits the model: it has no special tokens, and replaces the instructions, or just those of the family.

    Raises:
        UsageError: it is empty, has the tokens of another family, or a place that is not known.
    """
    tokens, own_tokens = special_tokens(text), special_tokens(_template(family))
    whole = bool(tokens)
    if not text.strip():
        raise UsageError("The prompt is empty", "see prompts/instructions.txt for one")
    if whole and tokens != own_tokens:
        written_for = [name for name in FAMILIES if special_tokens(_template(name)) == tokens]
        what = f"The prompt, written for {written_for[0]}," if written_for else f"The prompt, with {', '.join(sorted(tokens))},"
        mend = f"write it as prompts/{family}.txt is" if own_tokens else "leave the special tokens out: the server writes them"
        raise UsageError(f"{what} does not fit the model {model}, which is of the family {family}", mend)
    known = ["instructions", "skills", "examples", "utterance"] if whole else ["skills", "examples"]
    places = {match["named"] or match["braced"] or match.group() for match in Template.pattern.finditer(text)} - {"$$"}
    for place in sorted(places - set(known)):
        mend = f"its places are {', '.join(f'${name}' for name in known)}; write $$ for a dollar sign"
        raise UsageError(f"The prompt has {place!r} behind a dollar sign, which is no place for anything", mend)
    if whole and "utterance" not in places:
        raise UsageError("The prompt has no place for what was said", "write $utterance where it belongs")


def whole_template(family: str, own: str = "") -> str:
    """The text of a family's prompt as `render` fills it, with the places for skills, examples and utterance left open.

    Args:
        family: one of FAMILIES.
        own: as for `render`.
    """
    whole = bool(_SPECIAL.search(own))
    instructions = _template("instructions") if whole or not own else own
    text = own if whole else _template(family)
    return text.replace("${instructions}", instructions).replace("$instructions", instructions)


def special_tokens(text: str) -> set[str]:
    """The special tokens of any family in a text."""
    return set(_SPECIAL.findall(text))


def embedded_prefix(specs: Iterable[SkillSpec]) -> str:
    """The part of the embedded model's prompt that the skills alone decide: one line a skill. To be cached."""
    skills = "\n".join(_compact(spec) for spec in specs if spec.name != OTHER)
    return Template(_embedded_parts()[0]).substitute(skills=_plain(skills))


def embedded_suffix(utterance: str) -> str:
    """The part of the embedded model's prompt that follows the prefix; the call comes after it, on its own line."""
    return Template(_embedded_parts()[1]).substitute(utterance=_said(utterance))


def family_of(model: str | Path | Mapping[str, Any]) -> str:
    """The family of a model: of its name, of its folder, or of what its config.json and tokenizer_config.json hold.

    Raises:
        UsageError: nothing there tells the family.
    """
    if not isinstance(model, Mapping) and Path(model).is_dir():
        found = _family_of_config(_read_configs(Path(model))) or _family_of_name(Path(model).name)
    elif isinstance(model, Mapping):
        found = _family_of_config(model)
    else:
        found = _family_of_name(str(model))
    if found is None:
        name = model.get("_name_or_path", "this configuration") if isinstance(model, Mapping) else model
        raise UsageError(
            f"The prompt family of the model {name} is not known", f"name it yourself: one of {', '.join(FAMILIES)}"
        )
    return found


def check_pairing(family: str, model: str | Path | Mapping[str, Any]) -> None:
    """Raises UsageError, naming both and the right prompt, where a prompt is not of its model's family."""
    _template(family)
    right = family_of(model)
    if family != right:
        name = model.get("_name_or_path", "given") if isinstance(model, Mapping) else model
        raise UsageError(f"The prompt {family} does not fit the model {name}", f"use the prompt {right}")


@cache
def _template(family: str) -> str:
    if family not in (*FAMILIES, "instructions"):
        raise UsageError(f"There is no prompt {family}", f"use one of: {', '.join(FAMILIES)}")
    return (room("prompts") / f"{family}.txt").read_text(encoding="utf-8").removesuffix("\n")


@cache
def _embedded_parts() -> tuple[str, str]:
    """The template cut before the line of the utterance."""
    template = _template("embedded")
    cut = template.rindex("\n", 0, template.index("$utterance")) + 1
    return template[:cut], template[cut:]


def _skill_list(specs: Iterable[SkillSpec]) -> str:
    return "\n".join(
        "\n".join([f"- {spec.signature}: {spec.description}", *map(_parameter_line, spec.parameters)]) for spec in specs
    )


def _parameter_line(parameter: Parameter) -> str:
    return f"    {parameter.described}"


def _examples(specs: Sequence[SkillSpec], shots: int) -> str:
    shown = [(example.text, _canonical(spec, example.call)) for spec in specs for example in _own(spec)[:shots]]
    shown.append((STRAY_TALK, Call(OTHER)))
    return "\n\n".join(f"### User: {_one_line(text)}\n### Assistant: {call}" for text, call in shown)


def _own(spec: SkillSpec) -> list[Any]:
    return [example for example in spec.examples if example.call.name == spec.name]


def _canonical(spec: SkillSpec, call: Call) -> Call:
    try:
        return spec.canonical(call)
    except InvalidCall:  # examples of data-only skills are not held to their types
        return call


def _compact(spec: SkillSpec) -> str:
    """`timer(duration:Duration) set a timer`."""
    description = _one_line(spec.description).rstrip(".")
    if description.split(" ")[0].istitle():
        description = description[0].lower() + description[1:]
    return f"{spec.name}({','.join(map(_compact_parameter, spec.parameters))}) {description}".rstrip()


def _compact_parameter(parameter: Parameter) -> str:
    kind = "|".join(map(str, parameter.choices)) or (parameter.spoken or parameter.plain or str).__name__
    return f"{parameter.name}{'' if parameter.required else '?'}:{kind}{'*' if parameter.is_list else ''}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _said(utterance: str) -> str:
    return _one_line(_plain(utterance))


def _plain(text: str) -> str:
    """Without special tokens: neither what was said nor a foreign skill's description may end a turn or begin one."""
    while _SPECIAL.search(text):  # what is left of a nested one may be one again
        text = _SPECIAL.sub("", text)
    return text


def _read_configs(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("config.json", "tokenizer_config.json"):
        try:
            found.update(json.loads((folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            continue
    template = folder / "chat_template.jinja"
    if template.is_file():
        found["chat_template"] = template.read_text(encoding="utf-8")
    return found


def _family_of_config(config: Mapping[str, Any]) -> str | None:
    if config.get("otto_prompt") in FAMILIES:  # what finetune/ writes beside an adapter or an exported model
        return str(config["otto_prompt"])
    template = str(config.get("chat_template") or "")
    by_template = next((family for mark, family in _BY_TEMPLATE if mark in template), None)
    return by_template or _family_of_name(str(config.get("_name_or_path", "")))


def _family_of_name(name: str) -> str | None:
    base = re.split(r"[/\\]", name)[-1].lower().replace("_", "-")
    return next((family for pattern, family in _BY_NAME if re.search(pattern, base)), None)
