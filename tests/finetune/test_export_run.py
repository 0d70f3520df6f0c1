"""`otto finetune export`: merged, ONNX and GGUF weights answer as the adapter does, with their card and prompt beside them, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the models are made with torch")
pytest.importorskip("trl", reason="the run is made with TRL")
pytest.importorskip("gguf", reason="the files are written with gguf")
pytest.importorskip("xllamacpp", reason="llama.cpp runs the files")
pytest.importorskip("onnxruntime_genai", reason="the export needs the model builder of onnxruntime-genai")

from finetune.export.run import Order, export
from finetune.export.source import Source
from finetune.rows import TrainingRow
from otto.config import load_settings
from otto.errors import MissingExtra, ModelError, OttoError, StoreError, UsageError
from otto.prompt import FAMILIES, messages, render
from otto.promptformat import PromptFormat
from otto.registry import Registry
from otto.router import open_router
from tests.finetune import bases
from tests.finetune.exported import LlamaCpp, greedy

CASES = 200
INT8_CALLS = 190  # of the cases; measured: see docs/finetune.md


def cases() -> list[TrainingRow]:
    """200 prompts: the toy sentences, and as many with a word before them as are missing."""
    rows = bases.rows()
    polite = [replace(row, prompt=bases.prompt(f"please {row.utterance}")) for row in rows]
    return list({row.prompt: row for row in [*rows, *polite]}.values())[:CASES]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_bases: dict[str, Path]) -> dict[str, Any]:
    """A run that has learnt a part of the call syntax."""
    base = tiny_bases["mistral"]
    (base / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A small Mistral\n")
    return bases.half_tuned(tmp_path_factory.mktemp("tuned"), base, steps=25)


@pytest.fixture(scope="module")
def made(tuned: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All targets of the run, compared on 200 cases, and what was said."""
    folder, notes = tmp_path_factory.mktemp("exported"), []
    rows = bases.write_rows(folder / "cases.jsonl", cases())
    order = Order(folder / "out", ("merged", "onnx", "gguf"), "f32", rows, CASES)
    folders = export(Source.find(tuned["adapter"].parent), order, notes.append)
    return {"folders": {path.name: path for path in folders}, "notes": notes, "out": folder / "out"}


def card(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "card.json").read_text()))


def test_every_target_answers_as_the_adapter_does(made: dict[str, Any]) -> None:
    found = {name: card(folder)["agreement"] for name, folder in made["folders"].items()}
    assert found["merged"] == found["gguf"] == {"texts": CASES, "calls": CASES, "n": CASES}
    assert found["onnx"]["n"] == CASES
    assert found["onnx"]["calls"] >= INT8_CALLS
    assert [note.split(":")[0] for note in made["notes"]] == ["merged", "onnx", "gguf"]
    assert made["notes"][2].endswith(f"the same call as the adapter in {CASES} of {CASES} cases, to the letter in {CASES}")


def test_the_cases_tell_models_apart(tuned: dict[str, Any], made: dict[str, Any]) -> None:
    """What the base alone answers agrees in few of them, and the answers are calls."""
    prompts = [str(row.prompt) for row in cases()[:30]]
    merged, base = greedy(made["folders"]["merged"], prompts, 24), greedy(tuned["base"], prompts, 24)
    assert sum(one == other for one, other in zip(merged, base, strict=True)) <= 3


def test_llama_cpp_writes_the_tokens_of_the_merged_weights(made: dict[str, Any]) -> None:
    runtime = LlamaCpp(next(made["folders"]["gguf"].glob("*.gguf")))
    prompts = [str(row.prompt) for row in cases()[-10:]]
    assert [runtime.writes(prompt, 24) for prompt in prompts] == greedy(made["folders"]["merged"], prompts, 24)


def routed(engine: str, tuned: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **router: str) -> list[Any]:
    lines = [f'{name} = "{value}"' for name, value in {"engine": engine, **router}.items()]
    (tmp_path / "otto.toml").write_text("\n".join(["[paths]", f'cache = "{tmp_path / "cache"}"', "[router]", *lines]))
    monkeypatch.setenv("OTTO_CONFIG", str(tmp_path / "otto.toml"))
    registry = Registry.from_folder(tuned["skills"])
    assert not registry.problems
    router_ = open_router(engine, registry, load_settings())
    return [router_.route(text).calls for text in ("set a timer for five minutes", "weather in Oslo", "volume to nine", "it was fun", "note pay rent")]


def test_the_routers_load_them(tuned: dict[str, Any], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same calls under the grammar of the skills, of the adapter, the merged weights and the int8 ones."""
    merged, onnx = made["folders"]["merged"], made["folders"]["onnx"]
    adapter = routed("transformers", tuned, monkeypatch, tmp_path, model=str(tuned["base"]), adapter=str(tuned["adapter"]))
    assert routed("transformers", tuned, monkeypatch, tmp_path, model=str(merged)) == adapter
    assert routed("llama", tuned, monkeypatch, tmp_path, model=str(onnx)) == adapter


def test_what_lies_in_the_folders(made: dict[str, Any]) -> None:
    names = {name: sorted(path.name for path in folder.iterdir()) for name, folder in made["folders"].items()}
    beside = {"MODEL_CARD.md", "card.json", "prompt.txt"}
    assert set(names["merged"]) == {
        *beside, "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    assert set(names["onnx"]) == {*beside, "llama.json", "llama.onnx"}
    assert set(names["gguf"]) == {*beside, "tiny-mistral-sft-f32.gguf"}
    assert sorted(path.name for path in made["out"].iterdir()) == ["gguf", "merged", "onnx"]


@pytest.mark.parametrize("target", ["merged", "onnx", "gguf"])
def test_the_card(target: str, tuned: dict[str, Any], made: dict[str, Any]) -> None:
    folder = made["folders"][target]
    told, page = card(folder), (folder / "MODEL_CARD.md").read_text()
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name not in ("card.json", "MODEL_CARD.md")}
    assert {name: item["sha256"] for name, item in told["files"].items()} == files
    assert told["base"]["licence"] == "apache-2.0"
    assert told["base"]["parameters"] == 209_344
    assert told["adapter"] == hashlib.sha256((tuned["adapter"] / "adapter_model.safetensors").read_bytes()).hexdigest()
    stage = told["stages"][0]
    assert (stage["stage"], stage["steps"], stage["after"]) == ("sft", 25, tuned["after"])
    assert stage["data"] == {"training.jsonl": hashlib.sha256(tuned["rows"].read_bytes()).hexdigest()}
    assert told["prompt"]["family"] == "mistral-instruct"
    for text in (*files.values(), "Licence: apache-2.0", "sft: 25 steps on training.jsonl", "| sft | exact |", "learning_rate: 0.005"):
        assert text in page
    for path in (tuned["base"], tuned["rows"].parent, made["out"]):
        assert str(path) not in page + json.dumps(told), "nothing tells where this machine keeps it"


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("embedded", "openai")])
def test_a_server_writes_the_prompt_that_was_tuned(family: str, tuned: dict[str, Any]) -> None:
    import jinja2

    from finetune.export.chat import chat_template

    registry = Registry.from_folder(tuned["skills"])
    template = chat_template(PromptFormat.of(family, {}), "</s>")
    asked = messages(registry, "weather in Oslo")
    assert jinja2.Environment().from_string(template).render(messages=asked) == render(family, registry, "weather in Oslo")
    more = [*asked, {"role": "assistant", "content": "other()"}, asked[1]]
    again = jinja2.Environment().from_string(template).render(messages=more)
    assert again.count("weather in Oslo") == 2
    assert "other()</s>" in again


def test_llama_cpp_and_transformers_write_it_too(tuned: dict[str, Any], made: dict[str, Any]) -> None:
    from transformers import AutoTokenizer

    registry = Registry.from_folder(tuned["skills"])
    asked, right = messages(registry, "weather in Oslo"), render("mistral-instruct", registry, "weather in Oslo")
    assert LlamaCpp(next(made["folders"]["gguf"].glob("*.gguf"))).chat(asked) == right
    assert AutoTokenizer.from_pretrained(made["folders"]["merged"]).apply_chat_template(asked, tokenize=False) == right


def tampered(folder: Path, target: Path, how: str) -> Path:
    """A copy whose weights say that they were tuned otherwise."""
    shutil.copytree(folder, target)
    file = target / ("llama.json" if (target / "llama.json").is_file() else "tokenizer_config.json")
    stored = json.loads(file.read_text())
    if how == "text":
        stored["otto_prompt_format"]["sha256"] = "0" * 64
    else:
        stored["otto_prompt_format"]["tokens"]["<s>"] = 7
    file.write_text(json.dumps(stored))
    return target


REFUSED = [
    ("text", "tuned with another text of the prompt mistral-instruct than they would be asked with; take theirs with `otto config set router.prompt"),
    ("token", "were tuned with <s> as token 7 and the tokenizer writes 0; copy the tokenizer's files anew"),
]


@pytest.mark.parametrize("target", ["merged", "onnx"])
@pytest.mark.parametrize(("how", "sentence"), REFUSED)
def test_the_runtime_refuses_another_prompt(
    target: str, how: str, sentence: str, tuned: dict[str, Any], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tampered(made["folders"][target], tmp_path / target, how)
    with pytest.raises(UsageError) as caught:
        routed("transformers" if target == "merged" else "llama", tuned, monkeypatch, tmp_path, model=str(folder))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_with_another_prompt_is_refused(
    tuned: dict[str, Any], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What llama.cpp serves tells the prompt that it was tuned with; the answers of the right one are the adapter's."""
    file = next(made["folders"]["gguf"].glob("*.gguf"))
    runtime = LlamaCpp(file, 2048)
    base_url = f"{runtime.server.listening_address}/v1"
    calls = routed("openai", tuned, monkeypatch, tmp_path, model="tuned", base_url=base_url)
    assert calls == routed("transformers", tuned, monkeypatch, tmp_path, model=str(made["folders"]["merged"]))
    other = tmp_path / "other.gguf"
    mark = PromptFormat.read(made["folders"]["merged"]).mark  # type: ignore[union-attr]
    assert file.read_bytes().count(mark.encode()) == 1
    other.write_bytes(file.read_bytes().replace(mark.encode(), mark[:-8].encode() + b"00000000"))
    altered = LlamaCpp(other, 2048)
    with pytest.raises(UsageError, match=r"^The model on the server 127.0.0.1:\d+ was tuned with another text of the prompt mistral-instruct than it"):
        routed("openai", tuned, monkeypatch, tmp_path, model="tuned", base_url=f"{altered.server.listening_address}/v1")


def test_an_adapter_refuses_another_prompt(tuned: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    adapter = tampered(tuned["adapter"], tmp_path / "adapter", "text")
    with pytest.raises(UsageError, match=r"were tuned with another text of the prompt .*; set router.prompt as it was then, or tune them anew\.$"):
        routed("transformers", tuned, monkeypatch, tmp_path, model=str(tuned["base"]), adapter=str(adapter))
    with pytest.raises(UsageError, match="export them with the Otto that tuned them, or tune them anew"):
        export(Source.find(adapter, tuned["base"]), Order(tmp_path / "out"), print)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["merged", "onnx"])
def test_its_own_text_may_be_given(target: str, tuned: dict[str, Any], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`prompt.txt` is what router.prompt takes: weights stay of use when Otto's own text has changed. Another text is refused."""
    engine, folder = "transformers" if target == "merged" else "llama", made["folders"][target]
    routes = routed(engine, tuned, monkeypatch, tmp_path, model=str(folder))
    assert routed(engine, tuned, monkeypatch, tmp_path, model=str(folder), prompt=str(folder / "prompt.txt")) == routes
    (tmp_path / "own.txt").write_text("Be brief.\n$skills\n$examples\n")
    with pytest.raises(UsageError, match="were tuned with another text of the prompt mistral-instruct"):
        routed(engine, tuned, monkeypatch, tmp_path, model=str(folder), prompt=str(tmp_path / "own.txt"))


def copied(tuned: dict[str, Any], folder: Path) -> Path:
    """The run in a folder of its own."""
    return Path(shutil.copytree(tuned["adapter"].parent, folder / "run"))


def cut_short(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    run = copied(tuned, folder)
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    return run, {}


def not_done(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    run = copied(tuned, folder)
    shutil.rmtree(run / "adapter")
    (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | {"state": "stopped"}))
    return run, {}


def other_base(tuned: dict[str, Any], folder: Path, **sizes: int) -> tuple[Path, dict[str, Any]]:
    """A base of the same name with other weights."""
    from transformers import MistralConfig, MistralForCausalLM

    base = Path(shutil.copytree(tuned["base"], folder / tuned["base"].name))
    config = MistralConfig.from_pretrained(base)
    for name, value in sizes.items():
        setattr(config, name, value)
    MistralForCausalLM(config).save_pretrained(base)
    return tuned["adapter"], {"base": base}


def four_bit(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    base = Path(shutil.copytree(tuned["base"], folder / tuned["base"].name))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}))
    return tuned["adapter"], {"base": base}


def huge(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    base = Path(shutil.copytree(tuned["base"], folder / tuned["base"].name))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"hidden_size": 65536, "intermediate_size": 262144, "num_hidden_layers": 80}))
    return tuned["adapter"], {"base": base}


def renamed(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return tuned["adapter"], {"base": Path(shutil.copytree(tuned["base"], folder / "other-7b"))}


def bare(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    """An adapter alone, whose base is gone."""
    adapter = Path(shutil.copytree(tuned["adapter"], folder / "adapter"))
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": "/gone/tiny-mistral"}))
    return adapter, {}


def there(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    (folder / "out" / "merged").mkdir(parents=True)
    return tuned["adapter"], {}


def nothing(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return folder, {}


def plain(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return tuned["adapter"], {}


def too_few_layers(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return other_base(tuned, folder, num_hidden_layers=2)


def too_many_layers(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return other_base(tuned, folder, num_hidden_layers=4)


def too_wide(tuned: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    return other_base(tuned, folder, hidden_size=128)


BAD = [
    (nothing, {}, UsageError, "There is nothing to export in .*; name the folder of a run, as `otto finetune runs` lists them"),
    (not_done, {}, UsageError, r"is not done \(stopped\); give `otto finetune sft` again to finish it, or name one of its checkpoints"),
    (cut_short, {}, ModelError, "was cut short .*; export an earlier checkpoint of the run, or tune it again"),
    (renamed, {}, ModelError, "was trained on tiny-mistral, not on other-7b; name that base with"),
    (too_few_layers, {}, ModelError, r"does not fit tiny-mistral \(.*for one\); name the base that it was trained on, with --base FOLDER"),
    (too_many_layers, {}, ModelError, r"does not fit tiny-mistral \(.*for one\); name the base that it was trained on, with --base FOLDER"),
    (too_wide, {}, ModelError, r"does not fit tiny-mistral \(.*\); name the base that it was trained on"),
    (bare, {}, ModelError, "The base tiny-mistral is not where it was when .* was tuned; name its folder with --base FOLDER"),
    (four_bit, {}, ModelError, "is stored in 4 bits, .*; name the folder of the same base in full precision with --base FOLDER"),
    (huge, {}, ModelError, "needs about .* GiB and this machine has .* free; close what fills it, or export on a machine with more memory"),
    (there, {}, UsageError, "merged is there already; delete it, or name another folder with --out FOLDER"),
    (plain, {"targets": ("merged", "mlx")}, UsageError, "There is no target mlx; name some of merged, onnx, gguf with --to"),
    (plain, {"targets": ("gguf",), "kind": "q4_k"}, UsageError, "There is no kind q4_k of GGUF; use one of: f32, f16, q8_0"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "order", "error", "sentence"), BAD, ids=[f"{row[0].__name__} {row[1].get('targets', '')}".strip() for row in BAD])
def test_what_cannot_be_exported(
    make: Any, order: dict[str, Any], error: type[OttoError], sentence: str, tuned: dict[str, Any], tmp_path: Path
) -> None:
    folder, given = make(tuned, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=sentence) as caught:
        export(Source.find(folder, **given), Order(tmp_path / "out", **order), print)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before, "nothing was written"


@pytest.mark.parametrize(
    ("target", "package", "where", "extra"),
    [("gguf", "gguf", "finetune.export.gguf.find_spec", "finetune"), ("gguf", "xllamacpp", "finetune.export.agreement.find_spec", "llama-cpp")],
)
def test_without_a_package(
    target: str, package: str, where: str, extra: str, tuned: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(where, lambda name: None)
    with pytest.raises(MissingExtra, match=rf'^{package} is not installed; install it with: pip install "otto-assistant\[{extra}\]"'):
        export(Source.find(tuned["adapter"]), Order(tmp_path / "out", ("merged", target), check=3), print)
    assert not (tmp_path / "out").exists()


def test_without_the_builder_of_onnx(tuned: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_genai", None)
    with pytest.raises(MissingExtra, match="onnxruntime-genai is not installed"):
        export(Source.find(tuned["adapter"]), Order(tmp_path / "out", ("merged", "onnx")), print)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def small_files() -> Iterator[Any]:
    """Files of this process end at a size, as a full disk ends them."""
    resource = pytest.importorskip("resource", reason="the limit is one of Unix")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(("target", "reason"), [("merged", "File too large"), ("onnx", "the disk is full"), ("gguf", ".*")])
def test_a_full_disk(target: str, reason: str, tuned: dict[str, Any], small_files: Any, tmp_path: Path) -> None:
    """The disk is full from the start, or when the merged weights are written."""
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        small_files(100_000)

    if target == "merged":
        small_files(100_000)
    with pytest.raises(StoreError, match=rf"^The weights cannot be written to .*out \(.*{reason}.*\); make room, or name another folder with") as caught:
        export(Source.find(tuned["adapter"]), Order(tmp_path / "out", tuple(dict.fromkeys(["merged", target]))), note)
    assert "\n" not in str(caught.value)
    whole = [] if target == "merged" else ["merged"]
    assert [path.name for path in (tmp_path / "out").glob("*")] == whole, "a target is there whole, or not there"
    assert [text.split(":")[0] for text in notes] == whole


def test_a_checkpoint_and_a_whole_model_are_sources_too(tuned: dict[str, Any], tmp_path: Path) -> None:
    run = tuned["adapter"].parent
    checkpoint = max((run / "checkpoints").glob("checkpoint-*"))
    found = Source.find(checkpoint)
    assert (found.run, found.settings.adapter, found.family, found.name) == (run, checkpoint, "mistral-instruct", "tiny-mistral-sft")
    assert Source.find(run).settings.adapter == run / "adapter"
    whole = Source.find(tuned["base"])
    assert (whole.run, whole.settings.adapter, whole.name) == (None, None, "tiny-mistral")
    export(whole, Order(tmp_path / "out", ("gguf",), "f32"), print)
    assert card(tmp_path / "out" / "gguf")["stages"] == []
    prompts = [str(row.prompt) for row in cases()[:4]]
    assert [LlamaCpp(tmp_path / "out/gguf/tiny-mistral-f32.gguf").writes(prompt) for prompt in prompts] == greedy(tuned["base"], prompts)


def test_the_command(tuned: dict[str, Any], tmp_path: Path) -> None:
    """From the command line; the adapter's own rows are compared where none are named."""
    command = [sys.executable, "-m", "finetune", "export", str(tuned["adapter"].parent), "--to", "merged", "--out", str(tmp_path / "out"), "--check", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the same call as the adapter in 5 of 5 cases" in done.stderr + done.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr.strip()) == (
        2, f"{tmp_path / 'out' / 'merged'} is there already; delete it, or name another folder with --out FOLDER.",
    )  # fmt: skip
