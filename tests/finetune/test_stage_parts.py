"""Parts of the stages: tokens, answers, special tokens of reflection, 4-bit weights."""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 11):
    pytest.skip("TRL needs Python 3.11", allow_module_level=True)
torch = pytest.importorskip("torch", reason="the stages train with it")
for package in ("trl", "peft", "datasets", "yaml"):
    pytest.importorskip(package, reason="the stages train with it")

from finetune.config import load_stage, shipped  # noqa: E402  after the skips
from finetune.data.pairs import LeftOut  # noqa: E402
from finetune.data.reflect import TOKENS, reflect  # noqa: E402
from finetune.rows import TrainingRow  # noqa: E402
from finetune.skills import load_skills  # noqa: E402
from finetune.stages import answers, model, sft, tokens  # noqa: E402
from otto.errors import Problems, UsageError  # noqa: E402
from tests.finetune import bases  # noqa: E402
from tests.finetune.test_stage_sft import losses, silent  # noqa: E402


@pytest.fixture
def given(tmp_path: Path, tiny_bases: dict[str, Path]) -> dict[str, Any]:
    torch.set_num_threads(1)
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / "toy.py").write_text(bases.SKILLS)
    return {"base": tiny_bases["llama"], "skills": tmp_path / "skills", "data": tmp_path / "training.jsonl", "out": tmp_path / "sft"}


def settings(given: dict[str, Any], *overrides: str) -> Any:
    short = ("training.steps=4", "training.every=2", "training.learning_rate=5e-3", "training.max_length=512", "evaluation.rows=2", "evaluation.samples=1")
    return load_stage(shipped("sft"), [*(f"{name}={path}" for name, path in given.items()), *short, "evaluation.max_new_tokens=8", *overrides])


def test_an_answer_begins_where_the_prompt_of_the_router_ends(given: dict[str, Any]) -> None:
    found = settings(given)
    tokenizer = model.load_tokenizer(found, "llama-2-chat")
    encode = tokens.encoder(tokenizer, tokenizer.eos_token_id)
    prompt, answer = encode("<s>[INST] five [/INST]", " other()")
    assert tokenizer.decode(prompt) == "<s>[INST] five [/INST]"  # one <s>, as it is rendered
    assert tokenizer.decode(answer) == " other()</s>"
    found_rows = tokens.training_tokens([TrainingRow("<s>five", " other()", "other")], encode, 64).rows
    (row,) = found_rows
    assert tokenizer.decode([token for token in row["labels"] if token != tokens.IGNORED]) == " other()</s>"
    assert len(row["input_ids"]) == len(row["labels"])


def test_a_prompt_and_an_answer_that_would_melt_are_cut_alone(given: dict[str, Any]) -> None:
    tokenizer = model.load_tokenizer(settings(given), "llama-2-chat")
    prompt, answer = tokens.encoder(tokenizer, 1)("<s>set a ti", "mer")
    assert prompt == tokenizer("<s>set a ti", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode([*prompt, *answer]) == "<s>set a timer</s>"


def test_rows_that_are_too_long_are_left_out_and_named(given: dict[str, Any]) -> None:
    encode = tokens.encoder(model.load_tokenizer(settings(given), "llama-2-chat"), 1)
    rows = [TrainingRow("<s>five", " other()", "other", source="a:1"), TrainingRow("<s>" + "five " * 40, " other()", "other", source="a:2")]
    found = tokens.training_tokens(rows, encode, 30)
    assert (len(found.rows), found.too_long) == (1, ["a:2"])


def test_messages_are_for_servers(given: dict[str, Any]) -> None:
    encode = tokens.encoder(model.load_tokenizer(settings(given), "llama-2-chat"), 1)
    with pytest.raises(UsageError, match="These rows are messages, for a server; collect them with --format of the base's family"):
        encode([{"role": "user", "content": "five"}], "other()")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # of a timer, a note and stray talk, in this order
        (['timer(duration="5 minutes")', 'note(text="buy milk")', "other()"], {"exact": 3, "parses": 3, "missed": 0, "false_calls": 0}),
        (['timer(duration="five minutes")', "other()", 'note(text="hat")'], {"exact": 1, "parses": 3, "missed": 1, "false_calls": 1}),
        (["timer", 'timer(duration="5 minutes")', ""], {"exact": 0, "parses": 1, "missed": 0, "false_calls": 0}),
    ],
)
def test_the_score_counts_calls_by_their_equality(said: list[str], expected: dict[str, int], given: dict[str, Any]) -> None:
    registry = load_skills(str(given["skills"]))
    rows = [TrainingRow("p", text, "") for text in (' timer(duration="5 minutes")', ' note(text="buy milk")', " other()")]
    shares, _ = answers.score(rows, said, registry)
    assert {name: round(share["value"] * share["n"]) for name, share in shares.items()} == expected
    assert (shares["missed"]["n"], shares["false_calls"]["n"]) == (2, 1)


def test_rows_of_skills_that_are_not_there_are_all_named(given: dict[str, Any]) -> None:
    rows = [TrainingRow("p", text, "") for text in (" alarm()", " other()", " timer()")]
    with pytest.raises(Problems) as error:
        answers.check_rows(rows, load_skills(str(given["skills"])), "training.jsonl")
    assert [problem.where for problem in error.value.problems] == ["training.jsonl, row 1", "training.jsonl, row 3"]


def test_answers_do_not_depend_on_their_batch(given: dict[str, Any]) -> None:
    found = settings(given)
    tokenizer = model.load_tokenizer(found, "llama-2-chat")
    base = model.load_base(found, False, False).train()
    prompts = [row.prompt for row in bases.rows()[:9]]
    alone = answers.answers(base, tokenizer, prompts, 1, found.evaluation.model_copy(update={"batch": 1}))
    together = answers.answers(base, tokenizer, prompts, 1, found.evaluation.model_copy(update={"batch": 4}))
    assert alone == together
    assert base.training  # left as it was
    assert all("</s>" not in text for text in alone)


def test_marks_of_reflection_become_tokens_that_are_trained(given: dict[str, Any]) -> None:
    registry = load_skills(str(given["skills"]))
    rows = [row for row, _ in reflect(bases.rows(), registry, random.Random(1), LeftOut())]
    bases.write_rows(given["data"], rows)
    outcome = sft.run(settings(given, "lora.dropout=0"), silent)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(outcome.adapter)
    ids = [tokenizer(token, add_special_tokens=False)["input_ids"] for token in TOKENS]
    assert all(len(item) == 1 for item in ids)
    assert max(Counter(item[0] for item in ids).values()) == 1
    again = settings(given | {"out": given["out"].with_name("more")}, f"adapter={outcome.adapter}", "evaluation.rows=0")
    sft.run(again, silent)
    assert losses(again.out)[0][1] < losses(given["out"])[0][1]  # it goes on from what was learned, new tokens too


def test_four_bit_weights_learn_and_are_not_broken_by_an_evaluation(given: dict[str, Any]) -> None:
    """On CPUs with AVX512_BF16 an evaluation repacks the weights; gradients must be those of before."""
    pytest.importorskip("bitsandbytes", reason="4-bit weights")
    found = settings(given, "lora.dropout=0")
    tokenizer = model.load_tokenizer(found, "llama-2-chat")
    quantised = model.with_adapter(model.load_base(found, False, True), found, tokenizer, [])
    assert quantised.get_base_model().is_loaded_in_4bit
    ids = torch.tensor([tokenizer("<s>[INST] weather in Rome [/INST] other()", add_special_tokens=False)["input_ids"]])

    def gradient() -> Any:
        quantised.zero_grad()
        quantised.train()(input_ids=ids, labels=ids).loss.backward()
        return torch.cat([weight.grad.flatten() for weight in quantised.parameters() if weight.grad is not None])

    before = gradient()
    with torch.no_grad():
        quantised.eval()(input_ids=ids)
    assert torch.nn.functional.cosine_similarity(before, gradient(), dim=0) > 0.999
