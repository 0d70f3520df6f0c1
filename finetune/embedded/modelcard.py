"""Writes the model card, for people, from the card that the training made."""

from __future__ import annotations

from typing import Any

_DATA = {
    "snips": "SNIPS custom intent engines 2017-06 (CC0 1.0; Coucke et al. 2018, arXiv:1805.10190)",
    "hwu64": "NLU Evaluation Data HWU64 (CC BY 4.0; Liu, Eshghi, Swietojanski and Rieser 2019, arXiv:1903.05566)",
    "clinc": "CLINC150 (CC BY 3.0; Larson et al. 2019, aclanthology.org/D19-1131)",
}
_EXPLAINED = (
    "Shares in %, with 95 % Wilson intervals. *Exact*: the right skill with exactly the right arguments, each through its parameter's"
    " normaliser, of the commands. *Missed*: commands for which nothing is done. *False*: sentences of stray talk for which something is"
    " done. The models that are scored, the phrase book too, have learnt from the training part alone."
)
_ENGINES = ("phrases", "tagger", "llama", "tagger and llama", "embedded")


def model_card(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    llama, encoder, sentences = card["llama"], card["encoder"], card["sentences"]
    lines = [
        "# The embedded router's weights",
        "",
        "Made by `otto finetune embedded`. This page is written by that command from `card.json` beside it.",
        "",
        "## What is here",
        "",
        f"- `llama.onnx`: a Llama of {llama['parameters'] / 1e6:.1f} million parameters, trained from scratch, int8: reads signatures, writes calls.",
        "- `encoder.onnx`: a sentence encoder tuned from all-MiniLM-L6-v2, its vocabulary cut down, int8.",
        "- `tagger.npz`: a linear classifier and a conditional random field for each skill, trained on all examples of the bundled skills.",
        "- `calibration.json`: what both models' evidence is worth, and from when on Otto acts.",
        "",
        "| file | bytes | sha256 |",
        "| --- | ---: | --- |",
        *(_file(name, item) for name, item in card["files"].items()),
        f"| together | {sum(item['bytes'] for item in card['files'].values()):,} | |",
        "",
        "## Data and licences",
        "",
        f"- The examples of the bundled skills, written for Otto (Apache-2.0): {_counted(sentences)}.",
        *map(_corpus, card["corpora"]),
        f"- {encoder['from']}.",
        "",
        "No row of these data is in the weights' files or in the package.",
        "",
        "## Scores",
        "",
        _EXPLAINED,
        "",
    ]
    for name, scores in card["scores"].items():
        lines += [f"**{name}**: {scores['what']}", "", "| router | exact | missed | false |", "| --- | --- | --- | --- |"]
        lines += [_row(engine, scores[engine]) for engine in _ENGINES]
        lines.append("")
    lines += [
        "## Configuration",
        "",
        f"Seed {card['seed']}, Python {card['python']}, {card['machine']}. The Llama: {_settings(llama)}. The encoder: {_settings(encoder)}.",
        "",
    ]
    return "\n".join(lines)


def _file(name: str, item: dict[str, Any]) -> str:
    return f"| {name} | {item['bytes']:,} | `{item['sha256'][:16]}…` |"


def _counted(sentences: dict[str, int]) -> str:
    learnt = f"{sentences['train']:,} sentences to learn from"
    return f"{learnt}, {sentences['template']:,} held out by template and {sentences['value']:,} by value"


def _corpus(item: dict[str, Any]) -> str:
    return f"- {_DATA.get(item['name'], item['name'])}: {item['rows']:,} rows, modified; {item['as_stray_talk']:,} of them as stray talk."


def _row(engine: str, scores: dict[str, Any]) -> str:
    return f"| {engine} | {_share(scores['exact'])} | {_share(scores['missed'])} | {_share(scores['false_calls'])} |"


def _share(share: dict[str, Any]) -> str:
    if not share["n"]:
        return "–"
    return f"{100 * share['value']:.1f} ({100 * share['low']:.1f} to {100 * share['high']:.1f}), n = {share['n']}"


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if name not in ("from", "threads", "parameters", "save_every"))
