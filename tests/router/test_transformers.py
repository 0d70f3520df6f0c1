"""The router `transformers` on tiny Llama models that are made here: random ones, and one that has learnt three commands."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from otto import Call, Duration
from otto.config import load_settings
from otto.errors import MissingExtra, ModelError, OttoError, UsageError
from otto.prompt import render
from otto.registry import Registry
from otto.router import loading, open_router
from otto.router import transformers as engine
from otto.router.answer import read_calls
from otto.router.transformers import TransformersRouter
from otto.skill import declare
from tests.router.llamas import LEARNING, make_tokenizer, random_llama, saved, teach

OTHER = (Call("other"),)


def notes(action: Literal["add", "list"], loud: bool = False) -> None:
    """Keep notes."""


def volume(level: int | None = None) -> None:
    """Set the volume."""


def media(action: Literal["play", "next", "stop"], again: list[Literal["once", "twice"]] | None = None) -> None:
    """Steer the player."""


def timer(duration: Duration) -> None:
    """Set a timer."""


def search(query: str) -> None:
    """Search for words."""


# What can be said of the first ends after a few tokens, so that a random model comes to an end.
SHORT = Registry.of([declare(notes), declare(volume)])
MIXED = Registry.of([declare(timer), declare(search), declare(media)])
LEARNT = {
    "set a timer for five minutes": 'timer(duration="5 minutes")',
    "look for green shoes": 'search(query="green shoes")',
    "no I was talking to my sister": "other()",
}

Opened = Callable[..., TransformersRouter]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("nothing is ever downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer([render("chatml", MIXED, text) for text in LEARNT])


@pytest.fixture(scope="module")
def random_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    return saved(tmp_path_factory.mktemp("random"), random_llama(tokenizer, 0), tokenizer)


@pytest.fixture
def folder(random_folder: Path, tmp_path: Path) -> Path:
    """A random model whose files a test may change."""
    return Path(shutil.copytree(random_folder, tmp_path / "tiny"))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def make(model: object, adapter: object = "", registry: Registry = SHORT, prompt: object = "") -> TransformersRouter:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        (home / "config.toml").write_text(f'[router]\nengine = "transformers"\nmodel = "{model}"\nadapter = "{adapter}"\nprompt = "{prompt}"\n')
        settings = load_settings(environ={"OTTO_HOME": str(home)})
        router = open_router(settings.router.engine, registry, settings)
        assert isinstance(router, TransformersRouter)
        return router

    return make


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the models said, word for word."""
    said: list[str] = []

    def read(text: str, registry: Registry) -> tuple[Call, ...] | None:
        said.append(text)
        return read_calls(text, registry)

    monkeypatch.setattr(engine, "read_calls", read)
    return said


# --- what it says


@pytest.mark.parametrize("seed", range(8))
def test_a_random_model_says_nothing_but_valid_calls(
    seed: int, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, opened: Opened, answers: list[str]
) -> None:
    model = random_llama(tokenizer, seed)
    router = opened(saved(tmp_path / "tiny", model, tokenizer))
    for text in ("add a note", "quiet please", "", "☃ <|im_end|> [INST]"):
        route = router.route(text)
        assert route.engine == "transformers"
        assert read_calls(answers[-1], SHORT) == route.calls, answers[-1]
        assert route.confidence > 0
        assert all(call == Call("other") or SHORT.get(call.name).validate(call) is not None for call in route.calls)
    prompt = torch.tensor([tokenizer(render("chatml", SHORT, "add a note"))["input_ids"]])
    free = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=20, do_sample=False)[0, prompt.shape[1] :]
    assert read_calls(tokenizer.decode(free), SHORT) is None  # it is the grammar that makes them so


def test_no_skills(random_folder: Path, opened: Opened) -> None:
    assert opened(random_folder, registry=Registry()).route("set a timer").calls == OTHER


@pytest.fixture(scope="module")
def learnt_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast) -> Path:
    model = random_llama(tokenizer, 1, **LEARNING)
    teach(model, tokenizer, [(render("chatml", MIXED, text), call) for text, call in LEARNT.items()])
    return saved(tmp_path_factory.mktemp("learnt"), model, tokenizer)


def test_what_a_model_has_learnt(learnt_folder: Path, opened: Opened) -> None:
    router = opened(learnt_folder, registry=MIXED)
    for text, call in (*LEARNT.items(), *LEARNT.items()):
        route = router.route(text)
        assert [str(found) for found in route.calls] == [call]
        assert route.confidence > 0.8


def test_an_answer_that_does_not_end_starts_nothing(
    learnt_folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    monkeypatch.setattr(engine, "MAX_TOKENS", 1)
    route = opened(learnt_folder, registry=MIXED).route("set a timer for five minutes")
    assert (route.calls, route.confidence) == (OTHER, 0.0)
    assert [route.invalid] == answers == ['timer(duration="']


def test_a_prompt_of_the_users_own_has_the_tokens_of_the_family(folder: Path, opened: Opened, tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("<|im_start|>$utterance<|im_end|>", encoding="utf-8")
    router = opened(folder, prompt=own)
    router.route("louder")
    assert router._speech.tokenizer.decode(router._reader.seen).startswith("<|im_start|>louder<|im_end|>")
    own.write_text("<s>[INST] $utterance [/INST]", encoding="utf-8")
    with pytest.raises(UsageError, match="written for mistral-instruct, does not fit the model tiny, which is of the family chatml"):
        opened(folder, prompt=own)


def test_new_skills_can_be_called(learnt_folder: Path, opened: Opened) -> None:
    router = opened(learnt_folder, registry=MIXED)
    router.update(Registry.of([declare(media)]))
    assert router.route("set a timer for five minutes").calls[0].name in ("media", "other")
    router.update(MIXED)
    assert str(router.route("set a timer for five minutes").calls[0]) == 'timer(duration="5 minutes")'


def test_what_prompts_share_is_read_once(random_folder: Path, opened: Opened) -> None:
    router = opened(random_folder)
    read: list[int] = []
    router._model.network.register_forward_pre_hook(lambda module, args, options: read.append(options["input_ids"].shape[1]), with_kwargs=True)
    first = router.route("add a note")
    assert read[0] > 100
    read.clear()
    second = router.route("quiet please")
    assert read[0] < 30
    assert (router.route("add a note").calls, router.route("quiet please").calls) == (first.calls, second.calls)
    assert router.route("add a note").confidence == pytest.approx(first.confidence, rel=1e-3)
    assert opened(random_folder).route("quiet please").confidence == pytest.approx(second.confidence, rel=1e-3)


def test_a_failed_run_leaves_no_trace(random_folder: Path, opened: Opened) -> None:
    router = opened(random_folder)
    before = router.route("add a note")

    def fail(module: object, arguments: object, output: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nmore")

    hook = router._model.network.model.layers[1].register_forward_hook(fail)
    with pytest.raises(ModelError) as caught:
        router.route("quiet please")
    model = random_folder.name
    assert str(caught.value) == (
        f"The model {model} failed (CUDA error: device-side assert triggered more); choose another with `otto config set router.model FOLDER`."
    )
    hook.remove()
    after = router.route("add a note")
    assert (after.calls, after.confidence) == (before.calls, pytest.approx(before.confidence, rel=1e-3))


def test_a_model_beside_what_otto_keeps(folder: Path, tmp_path: Path, opened: Opened) -> None:
    shutil.copytree(folder, tmp_path / "home" / "models" / "mine")
    assert opened("mine").route("add a note").calls == opened(folder).route("add a note").calls


# --- adapters


def adapter_of(base: Path, into: Path, seed: int = 7, grow: int = 0, **options: Any) -> Path:
    """A LoRA adapter with random weights for the model in a folder."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base)
    if grow:
        model.resize_token_embeddings(grow)
    config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False, **options)
    get_peft_model(model, config).save_pretrained(into)
    return into


def adapter_with_tokens(base: Path, into: Path, seed: int = 7) -> Path:
    """An adapter as the stages leave it where the rows have marks of reflection: with tokens of its own."""
    own = PreTrainedTokenizerFast.from_pretrained(base)
    own.add_special_tokens({"additional_special_tokens": [f"<extra{number}>" for number in range(20)]})
    own.save_pretrained(into)
    new = own.convert_tokens_to_ids([f"<extra{number}>" for number in range(20)])
    return adapter_of(base, into, seed, len(own), trainable_token_indices={"embed_tokens": new}, modules_to_save=["lm_head"])


def test_an_adapter_answers_as_the_merged_model(random_folder: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, opened: Opened) -> None:
    from peft import PeftModel

    adapter = adapter_of(random_folder, tmp_path / "adapter")
    merged = PeftModel.from_pretrained(LlamaForCausalLM.from_pretrained(random_folder), str(adapter)).merge_and_unload()
    reference = opened(saved(tmp_path / "merged", merged, tokenizer))
    with_adapter, without = opened(random_folder, adapter), opened(random_folder)
    for text in ("add a note", "quiet please", "one two three"):
        route, expected = with_adapter.route(text), reference.route(text)
        assert (route.calls, route.confidence) == (expected.calls, pytest.approx(expected.confidence, rel=1e-2))
        assert route.confidence != pytest.approx(without.route(text).confidence, rel=1e-2)


def test_an_adapter_with_tokens_of_its_own(random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    adapter = adapter_with_tokens(random_folder, tmp_path / "adapter")
    router = opened(random_folder, adapter)
    own = PreTrainedTokenizerFast.from_pretrained(adapter)
    assert router._model.network.get_input_embeddings().weight.shape[0] == len(own) > len(PreTrainedTokenizerFast.from_pretrained(random_folder))
    assert router.route("add a note").confidence > 0


@pytest.fixture
def bases_loaded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that a base was loaded from."""
    from transformers import AutoModelForCausalLM

    loaded: list[Path] = []
    load = AutoModelForCausalLM.from_pretrained

    def count(folder: Path, **options: Any) -> Any:
        loaded.append(folder)
        return load(folder, **options)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", count)
    return loaded


def test_adapters_are_switched_and_the_base_is_loaded_once(
    random_folder: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, opened: Opened, bases_loaded: list[Path]
) -> None:
    adapters: list[Path | None] = [
        adapter_of(random_folder, tmp_path / "plain"),
        adapter_of(random_folder, tmp_path / "other", seed=8),
        adapter_with_tokens(random_folder, tmp_path / "thinking"),
        adapter_with_tokens(random_folder, tmp_path / "more", seed=9),
        None,
    ]
    said = ("add a note", "quiet please")
    alone = {}
    for adapter in adapters:
        router = opened(random_folder, adapter or "")
        alone[adapter] = [(route.calls, route.confidence) for route in map(router.route, said)]
    assert len({confidence for routes in alone.values() for _, confidence in routes}) == len(said) * len(adapters)
    bases_loaded.clear()
    router = opened(random_folder, adapters[0])
    for adapter in (*adapters, *adapters[::-1], *adapters[1::2]):
        router.use_adapter(adapter)
        for text, (calls, confidence) in zip(said, alone[adapter], strict=True):
            route = router.route(text)
            assert (route.calls, route.confidence) == (calls, pytest.approx(confidence, rel=1e-3)), adapter
    assert bases_loaded == [random_folder]


# --- 4 bits


def four_bits(device: object) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    return {"dtype": torch.float32, "device_map": {"": device}, "quantization_config": config}


def test_adapters_on_a_base_in_four_bits(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: bitsandbytes runs on the CPU too, where it is of no use but for this."""
    pytest.importorskip("bitsandbytes", reason="it holds the weights in 4 bits")
    base = saved(tmp_path / "base", random_llama(tokenizer, 0, hidden_size=128, intermediate_size=256, initializer_range=0.2), tokenizer)
    monkeypatch.setattr(loading, "_placing", lambda folder: four_bits("cpu"))
    adapters = [adapter_of(base, tmp_path / "one"), adapter_with_tokens(base, tmp_path / "two", seed=8), None]
    alone = [opened(base, adapter or "").route("add a note") for adapter in adapters]
    router = opened(base)
    assert type(router._model.network.model.layers[0].self_attn.q_proj).__name__ == "Linear4bit"
    for adapter, expected in [*zip(adapters, alone, strict=True)] * 2:
        router.use_adapter(adapter)
        route = router.route("add a note")
        assert (route.calls, route.confidence) == (expected.calls, pytest.approx(expected.confidence, rel=1e-3)), adapter


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_on_a_gpu(random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    router = opened(random_folder, adapter_of(random_folder, tmp_path / "adapter"))
    assert router._model.network.device.type == "cuda"
    tuned = router.route("add a note")
    router.use_adapter(None)
    assert router.route("add a note").confidence != pytest.approx(tuned.confidence, rel=1e-3)


@pytest.mark.parametrize(
    ("gpu", "quantised", "package", "bits"), [(True, False, True, 4), (True, True, True, None), (True, False, False, None), (False, False, True, None)]
)
def test_four_bits_where_there_is_a_gpu(
    gpu: bool, quantised: bool, package: bool, bits: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(loading, "find_spec", lambda name: object() if package else None)
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "gptq"}} if quantised else {}))
    placing = loading._placing(tmp_path)
    assert placing["device_map"] == ({"": 0} if gpu else {"": "cpu"})
    config = placing.get("quantization_config")
    assert (config and (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant)) == (bits and (True, "nf4", True))


def test_an_adapter_is_loaded_when_it_is_first_used(random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    adapter = adapter_of(random_folder, tmp_path / "home" / "models" / "mine")
    router = opened(random_folder)
    before = router.route("add a note")
    router.use_adapter("mine")  # beside what Otto itself keeps
    tuned = router.route("add a note")
    assert tuned.confidence != pytest.approx(before.confidence, rel=1e-3)
    shutil.rmtree(adapter)
    router.use_adapter(None)
    assert router.route("add a note").confidence == pytest.approx(before.confidence, rel=1e-3)
    with pytest.raises(ModelError, match="There is no adapter of the router in"):
        router.use_adapter("mine")


@pytest.mark.parametrize("first", [True, False])
def test_an_adapter_that_cannot_be_used_leaves_the_router_as_it_was(
    first: bool, random_folder: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, opened: Opened
) -> None:
    adapter = "" if first else adapter_of(random_folder, tmp_path / "adapter")
    wide = saved(tmp_path / "wide", random_llama(tokenizer, 3, hidden_size=48), tokenizer)
    foreign = adapter_of(wide, tmp_path / "foreign")
    lacking = adapter_of(random_folder, tmp_path / "lacking")
    weights = load_file(lacking / "adapter_model.safetensors")
    save_file(dict(sorted(weights.items())[1:]), lacking / "adapter_model.safetensors")
    llama_3 = adapter_of(random_folder, tmp_path / "llama-3")
    (llama_3 / "config.json").write_text('{"otto_prompt": "llama-3"}')
    cut_short = adapter_with_tokens(random_folder, tmp_path / "cut")
    cut(cut_short / "adapter_model.safetensors")
    router = opened(random_folder, adapter)
    before = router.route("add a note")
    for broken in (foreign, lacking, llama_3, cut_short, tmp_path / "nowhere"):
        with pytest.raises((ModelError, UsageError)):
            router.use_adapter(broken)
        after = router.route("add a note")
        assert (after.calls, after.confidence) == (before.calls, pytest.approx(before.confidence, rel=1e-3)), broken
    router.use_adapter(adapter_of(random_folder, tmp_path / "good", seed=5))
    assert router.route("add a note").confidence != pytest.approx(before.confidence, rel=1e-3)


def test_an_adapter_of_another_model(random_folder: Path, tmp_path: Path, tokenizer: PreTrainedTokenizerFast, opened: Opened) -> None:
    wide = saved(tmp_path / "wide", random_llama(tokenizer, 3, hidden_size=48), tokenizer)
    adapter = adapter_of(wide, tmp_path / "adapter")
    with pytest.raises(ModelError) as caught:
        opened(random_folder, adapter)
    assert caught.value.what.startswith(f"The adapter in {adapter} does not fit the model (Error(s) in loading state_dict")
    assert caught.value.mend == "use the model that it was trained on, or choose another with `otto config set router.adapter FOLDER`"


def test_an_adapter_that_lacks_weights(random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    adapter = adapter_of(random_folder, tmp_path / "adapter")
    weights = load_file(adapter / "adapter_model.safetensors")
    weights.pop(sorted(weights)[0])
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="does not fit the model \\(it lacks 1 of its weights"):
        opened(random_folder, adapter)


def test_an_adapter_trained_with_another_prompt(random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    adapter = adapter_of(random_folder, tmp_path / "adapter")
    (adapter / "config.json").write_text('{"otto_prompt": "llama-3"}')
    with pytest.raises(UsageError) as caught:
        opened(random_folder, adapter)
    assert str(caught.value) == f"The prompt llama-3 does not fit the model {random_folder}; use the prompt chatml."


def test_an_adapter_tells_the_prompt_of_a_model_that_does_not(folder: Path, tmp_path: Path, opened: Opened) -> None:
    adapter = adapter_of(folder, tmp_path / "adapter")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="The prompt family of the model"):
        opened(folder, adapter)
    (adapter / "config.json").write_text('{"otto_prompt": "chatml"}')
    assert opened(folder, adapter).route("add a note").confidence > 0


# --- what cannot work


@pytest.mark.parametrize("package", ["torch", "transformers", "accelerate", "peft"])
def test_a_missing_package(package: str, random_folder: Path, tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = adapter_of(random_folder, tmp_path / "adapter")
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == package else find_spec(name))
    with pytest.raises(MissingExtra) as caught:
        opened(random_folder, adapter)
    assert str(caught.value) == f'{package} is not installed; install it with: pip install "otto-assistant[transformers]".'


def test_peft_is_for_adapters_alone(random_folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None if name == "peft" else find_spec(name))
    assert opened(random_folder).name == "transformers"


def test_no_model(opened: Opened) -> None:
    with pytest.raises(ModelError) as caught:
        opened("")
    assert str(caught.value) == "No model is chosen for the router; name its folder with `otto config set router.model FOLDER`."


@pytest.mark.parametrize(
    ("model", "adapter", "sentence"),
    [
        (
            "mistralai/Mistral-7B-v0.1",
            "",
            "There is no model of the router in HOME/models/mistralai/Mistral-7B-v0.1; put its config.json and *.safetensors there, or choose another with `otto config set router.model FOLDER`.",
        ),
        (
            "FOLDER",
            "mine",
            "There is no adapter of the router in HOME/models/mine; put its adapter_config.json and adapter_model.safetensors there, or choose another with `otto config set router.adapter FOLDER`.",
        ),
    ],
)
def test_nothing_there(model: str, adapter: str, sentence: str, random_folder: Path, tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(ModelError) as caught:
        opened(model.replace("FOLDER", str(random_folder)), adapter)
    assert str(caught.value).replace(str(tmp_path / "home"), "HOME") == sentence


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def without_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.self_attn.v_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def of_numbers_that_are_none(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: cut(folder / "model.safetensors"), "The model in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (without_a_weight, "The model in FOLDER lacks 1 of its weights, model.layers.1.self_attn.v_proj.weight for one; copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: change(folder / "config.json", hidden_size=48), "The model in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: change(folder / "config.json", model_type="kangaroo"), "The model in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: (folder / "config.json").write_text("{"), "The tokenizer in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: cut(folder / "tokenizer.json"), "The tokenizer in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: (folder / "tokenizer.json").unlink(), "The tokenizer in FOLDER cannot be loaded (…); copy its files anew, or choose another with `otto config set router.model FOLDER`."),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "The prompt family of the model in FOLDER is not known; write \"otto_prompt\": \"…\" into its config.json, with one of: mistral-instruct, llama-2, llama-2-chat, llama-3, chatml."),
        (lambda folder: change(folder / "config.json", otto_prompt="embedded"), "The model tiny takes the prompt of the router embedded; choose another with `otto config set router.model FOLDER`."),
        (of_numbers_that_are_none, "The model tiny failed (…); choose another with `otto config set router.model FOLDER`."),
        (lambda folder: change(folder / "config.json", max_position_embeddings=300), "The installed skills and the answer need N tokens and the model tiny reads 300; use one with a longer context: `otto config set router.model FOLDER`."),
    ],
)  # fmt: skip
def test_a_damaged_model_is_one_sentence(damage: Callable[[Path], object], sentence: str, folder: Path, opened: Opened) -> None:
    damage(folder)
    with pytest.raises(OttoError) as caught:
        opened(folder).route("add a note")
    said = str(caught.value)
    assert "\n" not in said
    said = re.sub(r"\(.*\)", "(…)", said.replace(str(folder), "FOLDER"))
    assert re.sub(r"need \d+", "need N", said) == sentence
