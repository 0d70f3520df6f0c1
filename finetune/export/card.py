"""The card that lies beside exported weights: what they are made from, under which licence, what they score, and their hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.config import AnyStage, to_yaml
from finetune.estimate import Sizes
from finetune.export.agreement import Agreement
from finetune.export.source import ADAPTER_WEIGHTS, Source
from finetune.tracking import RUN, file_hash, machine, read_json
from otto.promptformat import PromptFormat

CARD, PAGE = "card.json", "MODEL_CARD.md"
UNKNOWN = "not told by its files; see where it came from"
_PATHS = ("base", "data", "out", "adapter", "rows", "skills")  # settings that name files of one machine
_WHAT = {"merged": "whole weights for transformers", "onnx": "int8 weights for onnxruntime", "gguf": "weights for llama.cpp, {kind}"}


@dataclass(frozen=True)
class Facts:
    """What is the same for all targets of an export."""

    name: str
    base: dict[str, Any]
    adapter: str  # sha256; "" where there is none
    stages: list[dict[str, Any]]  # the last first
    prompt: dict[str, Any]
    machine: dict[str, Any]

    @classmethod
    def of(cls, source: Source, prompt: PromptFormat) -> Facts:
        """The facts of a source. Raises StoreError where a file cannot be read."""
        folder, adapter = source.settings.base, source.settings.adapter
        sizes = Sizes.read(folder)
        base = {
            "name": folder.resolve().name, "type": read_json(folder / "config.json").get("model_type"), "licence": _licence(folder),
            "parameters": sizes.linear + sizes.others, "files": {path.name: file_hash(path) for path in sorted(folder.glob("*.safetensors"))},
        }  # fmt: skip
        stages = [_stage(run, settings) for run, settings in source.lineage()]
        return cls(source.name, base, file_hash(adapter / ADAPTER_WEIGHTS) if adapter else "", stages, asdict(prompt), machine())


def write_card(folder: Path, facts: Facts, target: str, kind: str, agreement: Agreement | None) -> None:
    """Write card.json, for programs, and MODEL_CARD.md, for people, beside the weights in a folder."""
    files = {path.name: {"bytes": path.stat().st_size, "sha256": file_hash(path)} for path in sorted(folder.iterdir())}
    card = {"target": target, "what": _WHAT[target].format(kind=kind), **asdict(facts), "agreement": agreement and asdict(agreement), "files": files}
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / PAGE).write_text("\n".join(_page(card)) + "\n", encoding="utf-8")


def _stage(run: Path, settings: AnyStage) -> dict[str, Any]:
    """A run as it is told to others: without this machine's paths."""
    facts = read_json(run / RUN)
    told = settings.model_copy(update={name: Path(value).name for name in _PATHS if (value := getattr(settings, name, None))})
    return {
        "stage": settings.stage, "steps": facts.get("steps"), "before": facts.get("before", {}), "after": facts.get("after", {}),
        "data": {Path(path).name: digest for path, digest in facts.get("data", {}).items()}, "git": facts.get("git", ""),
        "machine": facts.get("machine", {}), "config": to_yaml(told),
    }  # fmt: skip


def _licence(base: Path) -> str:
    """What the base's own card or licence says of it."""
    card = base / "README.md"
    if card.is_file() and (found := re.search(r"^license(?:_name)?:\s*(\S.*)$", card.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)):
        return found[1].strip()
    for path in sorted(base.glob("LICEN[CS]E*")):
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return f"{lines[0]} ({path.name})" if lines else UNKNOWN
    return UNKNOWN


def _page(card: dict[str, Any]) -> Iterator[str]:
    base, prompt = card["base"], card["prompt"]
    yield from (f"# {card['name']}, {card['target']}", "", f"Made by `otto finetune export`: {card['what']}.", "")
    yield from ("## What it is made from", "")
    yield f"- Base: {base['name']}, {base['type']}, {base['parameters']:,} parameters. Licence: {base['licence']}."
    for stage in reversed(card["stages"]):
        data = ", ".join(f"{name} (sha256 `{digest[:16]}…`)" for name, digest in stage["data"].items())
        yield f"- {stage['stage']}: {stage['steps']} steps on {data or 'data that are not told'}."
    yield "- Data: the rows' own licences hold; the examples of Otto's bundled skills are Apache-2.0. No row is in these files."
    yield from ("", "## Prompt", "")
    yield f"Family {prompt['family']}, sha256 of its text `{prompt['sha256'][:16]}…`, special tokens {_tokens(prompt['tokens'])}."
    yield "The text is in `prompt.txt`. Asked with another prompt the weights are worth nothing, and Otto refuses to."
    yield from ("", "## Scores", "")
    yield from _scores(card["stages"])
    if card["agreement"]:
        found = card["agreement"]
        calls, texts, n = found["calls"], found["texts"], found["n"]
        yield f"Against the adapter on its base, decoded greedily: the same call in {calls} of {n} cases, to the letter in {texts}."
    yield from ("", "## Files", "", "| file | bytes | sha256 |", "| --- | ---: | --- |")
    yield from (f"| {name} | {item['bytes']:,} | `{item['sha256']}` |" for name, item in card["files"].items())
    for stage in reversed(card["stages"]):
        yield from ("", f"## Settings of {stage['stage']}", "", "```yaml", stage["config"].rstrip(), "```")


def _scores(stages: list[dict[str, Any]]) -> Iterator[str]:
    """Shares before and after each stage, as the stage measured them on its validation rows."""
    rows = [(stage, name, share) for stage in reversed(stages) for name, share in stage["after"].items()]
    if not rows:
        yield "None were measured."
        yield ""
        return
    yield from ("Shares of the validation rows in %, with 95 % Wilson intervals.", "")
    yield from ("| stage | figure | before | after |", "| --- | --- | --- | --- |")
    for stage, name, after in rows:
        yield f"| {stage['stage']} | {name.replace('_', ' ')} | {_share(stage['before'].get(name))} | {_share(after)} |"
    yield ""


def _share(share: Any) -> str:
    if not isinstance(share, dict) or not share.get("n"):
        return "–"
    return f"{100 * share['value']:.1f} ({100 * share['low']:.1f} to {100 * share['high']:.1f}), n = {share['n']}"


def _tokens(tokens: dict[str, int]) -> str:
    return ", ".join(f"`{token}` {number}" for token, number in tokens.items()) or "none"
