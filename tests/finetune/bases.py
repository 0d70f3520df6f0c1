"""Bases for the tests of the stages: a Llama and a Mistral of a quarter of a million parameters that know the words, and another notation.

LoRA on random weights learns nothing, so each is trained for some seconds by plain torch: to answer in a notation that is not the call
syntax, and to repeat calls. A stage then has the call syntax to teach.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.rows import TrainingRow, json_lines
from otto.call import Call

STEPS = 300
HALF_TUNED = (
    "training.learning_rate=5e-3", "training.batch=16", "training.accumulate=1", "training.max_length=128", "evaluation.max_new_tokens=32",
    "lora.dropout=0",
)  # fmt: skip
TOWNS = "Berlin Paris London Oslo Rome Madrid Vienna Lisbon Athens Dublin".split()
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12}
THINGS = ["buy milk", "call mum", "water the plants", "pay rent", "feed the cat", "book a table"]
STRAY = ["no I was talking to my sister", "that is a nice hat", "what did you say", "he never came back", "well I think so", "it was fun"]


def sentences() -> list[tuple[str, Call, str]]:
    """What is said, the call, and the template, of the toy skills."""
    found = []
    for word, number in NUMBERS.items():
        for said in ("set a timer for {} minutes", "{} minute timer please", "count down {} minutes"):
            found.append((said.format(word), Call("timer", {"duration": f"{number} minutes"}), said))
        for said in ("volume to {}", "set the volume to {}"):
            found.append((said.format(word), Call("volume", {"action": "set", "level": number}), said))
    for town in TOWNS:
        for said in ("weather in {}", "what is the weather like in {}", "is it raining in {}"):
            found.append((said.format(town), Call("weather", {"location": town}), said))
    for thing in THINGS:
        for said in ("note {}", "write down {}", "remember to {}"):
            found.append((said.format(thing), Call("note", {"text": thing}), said))
    found += [(said, Call("other"), said) for said in STRAY for _ in range(2)]
    return found


def prompt(said: str) -> str:
    return f"<s>[INST] {said} [/INST]"


def rows(seed: int = 3) -> list[TrainingRow]:
    """Training rows with a short prompt, in mixed order; a quarter is of the validation split, an eighth of the test split."""
    found = sentences()
    random.Random(seed).shuffle(found)
    splits = ["validation" if number % 4 == 0 else "test" if number % 8 == 1 else "train" for number in range(len(found))]
    return [
        TrainingRow(prompt(said), f" {call}", call.name, template, f"rows:{number}", split, said)
        for number, ((said, call, template), split) in enumerate(zip(found, splits, strict=True), 1)
    ]


def half_tuned(folder: Path, base: Path, steps: int = 30) -> dict[str, Any]:
    """What a stage behind the supervised one is given: base, skills, rows, and an adapter that is not done learning; and its shares."""
    from finetune.config import Sft, load_stage, shipped
    from finetune.stages import sft

    (folder / "skills").mkdir()
    (folder / "skills" / "toy.py").write_text(SKILLS)
    data = write_rows(folder / "training.jsonl", rows())
    given = {"base": base, "skills": folder / "skills", "data": data, "out": folder / "sft", "training.steps": steps}
    settings = load_stage(shipped("sft"), [*(f"{name}={value}" for name, value in given.items()), *HALF_TUNED])
    assert isinstance(settings, Sft)
    outcome = sft.run(settings, lambda text: None)
    return {"base": base, "skills": folder / "skills", "rows": data, "adapter": outcome.adapter, "after": outcome.after}


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(f"{line}\n" for line in json_lines(rows)), encoding="utf-8")
    return path


def other_notation(call: Call) -> str:
    """`timer duration 5 minutes`: as the bases answer before they are tuned."""
    return " ".join([call.name, *(f"{name} {value}" for name, value in call.arguments.items())])


def make_tokenizer(texts: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=480, special_tokens=["<s>", "</s>", "<pad>"], initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


class Bases(dict[str, Path]):
    """Kind → folder of the base, made once a session."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, kind: str) -> Path:
        folder = self.folder / f"tiny-{kind}"
        folder.mkdir()
        self[kind] = make_base(kind, folder)
        return self[kind]


def make_base(kind: str, folder: Path, seed: int = 1, steps: int = STEPS) -> Path:
    """A base of a kind, "llama" or "mistral", in a folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    found = sentences()
    pairs = [(prompt(said), f" {other_notation(call)}</s>") for said, call, _ in found]
    pairs += [(f"<s>again {call}", f" {call}</s>") for _, call, _ in found]
    tokenizer = make_tokenizer([asked + answer for asked, answer in pairs])
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
    }  # fmt: skip
    torch.manual_seed(seed)
    model: Any = LlamaForCausalLM(LlamaConfig(**sizes)) if kind == "llama" else MistralForCausalLM(MistralConfig(**sizes, sliding_window=None))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    rng = random.Random(seed)
    for _ in range(steps):
        chosen = rng.sample(pairs, 24)
        batch = tokenizer([asked + answer for asked, answer in chosen], padding=True, add_special_tokens=False, return_tensors="pt")
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        for row, (asked, _) in enumerate(chosen):
            labels[row, : len(tokenizer(asked, add_special_tokens=False)["input_ids"])] = -100
        loss = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.init_kwargs["otto_prompt"] = "mistral-instruct" if kind == "mistral" else "llama-2-chat"
    tokenizer.save_pretrained(folder)
    (folder / "pretraining.json").write_text(json.dumps({"loss": float(loss.detach())}))
    return folder


SKILLS = '''"""The skills of the sentences."""

from typing import Annotated, Literal

from pydantic import Field

from otto import Duration, Location, skill


@skill(examples={"set a timer for one minute": 'timer(duration="1 minute")'})
def timer(duration: Duration) -> str:
    """Set a timer."""
    return ""


@skill(examples={"weather in Bern": 'weather(location="Bern")'})
def weather(location: Location) -> str:
    """Tell the weather."""
    return ""


@skill(examples={"volume to one": 'volume(action="set", level=1)'})
def volume(action: Literal["up", "down", "set"], level: Annotated[int, Field(ge=0, le=100)]) -> str:
    """Change the volume."""
    return ""


@skill(examples={"note call dad": 'note(text="call dad")'})
def note(text: str) -> str:
    """Write something down."""
    return ""
'''
