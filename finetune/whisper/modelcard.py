"""Writes the small Whisper's model card, for people, from the card that the training made."""

from __future__ import annotations

from typing import Any

_WHAT = """# whisper-tiny-commands: a test fixture

A small Whisper, trained from scratch on synthetic voices, in the format that faster-whisper loads. It lets the tests run the designed path
(microphone, faster-whisper, router) on a machine without a model hub. **It is no recogniser for people**: it never heard a human voice and
knows little but the commands of the bundled skills. On recordings of people the closed-phrase engine is far better (`tests/measure_barista.py`
measures both), so `otto models` does not offer it.

Made by `otto finetune whisper`. This page is written by that command from `card.json` beside it."""
_EXPLAINED = (
    "Word error: words that are wrong, missing or too many, as a share of the words said, with a 95 % interval from resampled clips. The"
    " commands have a template or a value that is spoken nowhere in training, and are made of words that a pronouncing dictionary has; the"
    " voices speak nowhere in training."
)

_DATA = """\
- {own:,} sentences of the bundled skills' examples and {sampled:,} of their templates with other values, written for Otto (Apache-2.0);
  {held_out:,} commands held out.
- {loose:,} sentences of words in no order, of the examples and of the vocabulary of all-MiniLM-L6-v2 (Apache-2.0), as far as the CMU
  pronouncing dictionary (BSD) has them.
- Of these, {learnt_from:,} clips, spoken by espeak-ng (GPL-3.0, which does not extend to what the program says) and flite (BSD-like) with
  changes of speed, pitch, band, level and noise. No recording of a person.
- Voices held out: {voices}."""


def model_card(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    lines = [_WHAT, "", "| file | bytes | sha256 |", "| --- | ---: | --- |"]
    lines += [f"| {name} | {item['bytes']:,} | `{item['sha256'][:16]}…` |" for name, item in card["files"].items()]
    counts = card["sentences"] | {"learnt_from": card["clips"]["learnt_from"], "voices": ", ".join(card["held_out_voices"])}
    lines += ["", "## Data and licences", "", _DATA.format(**counts), "", "## Scores", "", _EXPLAINED, ""]
    lines += ["| what | word error, % | clips |", "| --- | --- | ---: |"]
    lines += [f"| {name} | {_share(item)} | {item['n']} |" for name, item in card["scores"].items()]
    lines += ["", "## Configuration", "", f"{card['parameters'] / 1e6:.1f} million parameters. Python {card['python']}, {card['machine']}."]
    lines += [f"The model: {_settings(card['whisper'])}. The clips: {_settings(card['clips'])}.", ""]
    return "\n".join(lines)


def _share(item: dict[str, float]) -> str:
    return f"{100 * item['value']:.1f} ({100 * item['low']:.1f} to {100 * item['high']:.1f})"


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if name not in ("threads", "save_every", "workers"))
