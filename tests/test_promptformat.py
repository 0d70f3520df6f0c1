"""The prompt that weights were tuned with: what is the same, what is refused, and what is read back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto.errors import UsageError
from otto.paths import room
from otto.prompt import FAMILIES
from otto.promptformat import FAMILY, FORMAT, PromptFormat

WHERE = Path("models/tuned")
FORMATS = st.builds(
    PromptFormat,
    st.sampled_from(FAMILIES),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.dictionaries(st.text(min_size=1, max_size=8), st.integers(0, 2**20), max_size=4),
)


def text_of(family: str) -> str:
    """The file of a family with the instructions' file in its place, both without the newline that is the file's own."""
    read = {name: (room("prompts") / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n") for name in (family, "instructions")}
    return read[family].replace("$instructions", read["instructions"])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_hash_is_of_the_text(family: str) -> None:
    assert PromptFormat.of(family, {}).sha256 == hashlib.sha256(text_of(family).encode()).hexdigest()


def test_the_whole_text_given_as_the_users_own_is_the_same_prompt() -> None:
    """So `prompt.txt` beside exported weights can be named in router.prompt."""
    vocabulary = {"<s>": 1, "hello": 9}
    assert PromptFormat.of("mistral-instruct", vocabulary, text_of("mistral-instruct")) == PromptFormat.of("mistral-instruct", vocabulary)
    assert PromptFormat.of("mistral-instruct", vocabulary).tokens == {"<s>": 1}
    assert PromptFormat.of("mistral-instruct", vocabulary, "Be brief. $skills").sha256 != PromptFormat.of("mistral-instruct", vocabulary).sha256


@given(FORMATS)
def test_it_is_read_back(made: PromptFormat) -> None:
    assert PromptFormat.from_json(json.loads(json.dumps({"model_max_length": 8, **made.to_json()}))) == made
    assert PromptFormat.of_template(f"{{#- {made.mark} -#}}{{{{ messages }}}}") == PromptFormat(made.family, made.sha256, {})
    made.require(made, WHERE)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {FAMILY: "llama-3"},
        {FAMILY: "llama-3", FORMAT: None},
        {FAMILY: "llama-3", FORMAT: {"sha256": "0"}},
        {FAMILY: "llama-3", FORMAT: {"sha256": "0", "tokens": []}},
        {FAMILY: "llama-3", FORMAT: {"sha256": "0", "tokens": {"<s>": "one"}}},
        [],
        None,
    ],
)
def test_what_does_not_tell_it(stored: object, tmp_path: Path) -> None:
    assert PromptFormat.from_json(stored) is None
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(stored))
    assert PromptFormat.read(tmp_path) is None


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    assert PromptFormat.read(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text('{"otto_prompt": ')
    assert PromptFormat.read(tmp_path) is None


def test_a_template_that_tells_nothing() -> None:
    assert PromptFormat.of_template("{{ bos_token }}{% for message in messages %}") is None
    assert PromptFormat.of_template("{#- otto_prompt llama-3 0123 -#}") is None, "no whole hash"


TUNED = PromptFormat("llama-2-chat", "a" * 64, {"<s>": 1, "</s>": 2})
SAME = [
    TUNED,
    PromptFormat("llama-2-chat", "a" * 64, {"<s>": 1, "</s>": 2, "<unk>": 0}),  # more tokens than it was tuned with
]
OTHERS = [
    (PromptFormat("llama-3", "a" * 64, TUNED.tokens), "with the prompt llama-2-chat and would be asked with llama-3;"),
    (PromptFormat("llama-2-chat", "b" * 64, TUNED.tokens), "with another text of the prompt llama-2-chat than they would be asked with; set router.prompt"),
    (PromptFormat("llama-2-chat", "a" * 64, {"<s>": 5, "</s>": 2}), "with <s> as token 1 and the tokenizer writes 5; copy the tokenizer's files anew"),
    (PromptFormat("llama-2-chat", "a" * 64, {"<s>": 1}), "with </s> as token 2 and the tokenizer writes none; copy the tokenizer's files anew"),
]


@pytest.mark.parametrize("asked", SAME)
def test_accepted(asked: PromptFormat) -> None:
    TUNED.require(asked, WHERE)


@pytest.mark.parametrize(("asked", "sentence"), OTHERS)
def test_refused(asked: PromptFormat, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        TUNED.require(asked, WHERE)
    assert str(caught.value).startswith(f"The weights in {WHERE} were tuned {sentence}")
    assert "\n" not in str(caught.value)
