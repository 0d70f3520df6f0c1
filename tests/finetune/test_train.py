"""The Llama's training: the same from the same seed, the same where it was interrupted, and the loss that it says it has."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the training needs torch")
pytest.importorskip("transformers", reason="the training needs transformers")

from finetune.embedded import train  # noqa: E402  after the skips
from finetune.embedded.sample import Step, steps  # noqa: E402
from finetune.embedded.train import LlamaSettings, _Trainer, train_llama, train_tokenizer  # noqa: E402
from otto.errors import UsageError  # noqa: E402
from otto.router.causal import EOS  # noqa: E402
from tests.finetune import tiny  # noqa: E402


class Stopped(Exception):
    """Somebody pulled the plug."""


def trained(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: LlamaSettings = tiny.SETTINGS, stop_after: int | None = None) -> list[float]:
    """Train; the loss of every step that was made."""
    losses: list[float] = []
    step = _Trainer._step

    def recorded(self: _Trainer, *arguments: Any) -> float:
        if len(losses) == stop_after:
            raise Stopped
        losses.append(step(self, *arguments))
        return losses[-1]

    with monkeypatch.context() as patch:
        patch.setattr(train._Trainer, "_step", recorded)
        try:
            train_llama([tiny.SOURCE], settings, folder)
        except Stopped:
            assert stop_after is not None
    return losses


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model" / "model.safetensors")


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """One training without a break, and its losses."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        return folder, trained(folder, patch)


def test_it_learns(whole: tuple[Path, list[float]]) -> None:
    """A model that knows nothing gives each of its tokens the same share: its loss is the logarithm of the vocabulary."""
    _, losses = whole
    assert len(losses) == tiny.SETTINGS.steps
    assert losses[0] == pytest.approx(torch.tensor(320.0).log().item(), abs=0.3)
    assert sum(losses[-4:]) / 4 < losses[0] - 1.0


def test_equal_seeds_give_equal_losses(whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, losses = whole
    assert trained(tmp_path, monkeypatch) == losses
    assert same(weights(tmp_path), weights(folder))


def test_another_seed_gives_other_losses(whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trained(tmp_path, monkeypatch, replace(tiny.SETTINGS, seed=8, steps=2)) != whole[1][:2]


@pytest.mark.parametrize("stop", [4, 7, 25], ids=["at a checkpoint", "after one", "near the end"])
def test_a_second_start_goes_on_as_if_nothing_had_happened(stop: int, whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, losses = whole
    assert trained(tmp_path, monkeypatch, stop_after=stop) == losses[:stop]
    assert not (tmp_path / "model").exists()
    saved = stop // tiny.SETTINGS.save_every * tiny.SETTINGS.save_every
    assert trained(tmp_path, monkeypatch) == losses[saved:]
    assert same(weights(tmp_path), weights(folder))


def test_stopping_before_the_first_checkpoint_starts_anew(whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trained(tmp_path, monkeypatch, stop_after=3) == whole[1][:3]
    assert trained(tmp_path, monkeypatch, stop_after=6) == whole[1][:6]


OTHERS = [("steps", 30), ("seed", 8), ("hidden", 64), ("learning_rate", 2e-2)]


@pytest.mark.parametrize(("name", "value"), OTHERS, ids=[row[0] for row in OTHERS])
def test_a_checkpoint_of_other_settings_is_not_gone_on_from(name: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, monkeypatch, stop_after=5)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError) as caught:
        trained(tmp_path, monkeypatch, replace(tiny.SETTINGS, **{name: value}))
    begun = getattr(tiny.SETTINGS, name)
    assert str(caught.value) == f"What lies in {tmp_path} was begun with {name}={begun}, not {value}; name another folder with --work."
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_checkpoint_of_other_examples_is_not_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its vectors are of other words: what was learnt would be lost in silence."""
    trained(tmp_path, monkeypatch, stop_after=5)
    fewer = replace(tiny.SOURCE, rows=tiny.SOURCE.rows[:20])
    with pytest.raises(UsageError, match=r"^The examples have changed since the training in .* was begun; name another folder with --work"):
        train_llama([fewer], tiny.SETTINGS, tmp_path)


def test_threads_and_checkpoints_may_differ(whole: tuple[Path, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(tmp_path, monkeypatch, stop_after=22)
    assert trained(tmp_path, monkeypatch, replace(tiny.SETTINGS, save_every=3)) == whole[1][20:]


def test_what_it_leaves(whole: tuple[Path, list[float]]) -> None:
    folder, losses = whole
    (line,) = [json.loads(text) for text in (folder / "log.jsonl").read_text().splitlines()]
    assert (line["step"], line["loss"]) == (25, pytest.approx(sum(losses[:25]) / 25, abs=6e-5))
    assert json.loads((folder / "settings.json").read_text()) == asdict(tiny.SETTINGS)
    config = json.loads((folder / "model" / "config.json").read_text())
    assert {name: config[name] for name in ("hidden_size", "num_hidden_layers", "num_key_value_heads", "tie_word_embeddings")} == {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
        "tie_word_embeddings": True,
    }
    assert (folder / "model" / "tokenizer.json").read_text() == (folder / "tokenizer.json").read_text()
    assert {tensor.dtype for tensor in weights(folder).values()} == {torch.float32}
    assert not list(folder.glob("*.new"))


@pytest.fixture(scope="module")
def trainer(whole: tuple[Path, list[float]]) -> _Trainer:
    """A trainer of the trained model, in float32."""
    from tokenizers import Tokenizer
    from transformers import LlamaForCausalLM

    folder, _ = whole
    model = LlamaForCausalLM.from_pretrained(folder / "model")
    found = _Trainer(model, Tokenizer.from_file(str(folder / "tokenizer.json")), tiny.SETTINGS)
    found.model.float()
    found._copy_to_model()
    return found


def plain_loss(trainer: _Trainer, step: Step) -> Any:
    """The mean cross-entropy of the calls' tokens, each sentence alone behind the whole prefix, as transformers computes it."""
    encode = trainer.tokenizer.encode
    total, count = 0.0, 0
    for suffix, call in step.pairs:
        prompt = encode(step.prefix or "\n").ids + encode(suffix).ids
        answer = [*encode(call).ids, trainer.tokenizer.token_to_id(EOS)]
        labels = torch.tensor([[-100] * len(prompt) + answer])
        total = total + trainer.model(input_ids=torch.tensor([prompt + answer]), labels=labels, use_cache=False).loss * len(answer)
        count += len(answer)
    return total / count


@pytest.mark.parametrize("without_list", [0, 100], ids=["under a list", "without a list"])
def test_the_shared_prefix_gives_the_loss_and_gradients_of_the_whole_prompt(trainer: _Trainer, without_list: int) -> None:
    for step in islice(steps([tiny.SOURCE], 5, 3, without_list), 4):
        assert len({len(suffix) for suffix, _ in step.pairs}) > 1, "sentences of one length have no padding"
        found = {}
        for name, loss in (("shared", trainer._loss(step)), ("plain", plain_loss(trainer, step))):
            trainer.model.zero_grad()
            loss.backward()
            gradients = {key: parameter.grad.clone() for key, parameter in trainer.model.named_parameters()}
            found[name] = loss.item(), gradients
        assert found["shared"][0] == pytest.approx(found["plain"][0], rel=1e-5)
        for key, gradient in found["plain"][1].items():
            torch.testing.assert_close(found["shared"][1][key], gradient, rtol=1e-3, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}")


def test_only_the_calls_are_learnt(trainer: _Trainer) -> None:
    ids, labels = trainer._batch(Step("", (("> stop\n", "other()"), ("> will it rain\n", "weather()"))))
    eos = trainer.tokenizer.token_to_id(EOS)
    for row, call in enumerate(("other()", "weather()")):
        learnt = labels[row][labels[row] >= 0]
        assert learnt[-1] == eos
        assert trainer.tokenizer.decode(learnt[:-1].tolist()) == call
        assert torch.equal(ids[row][labels[row] >= 0], learnt)
    assert trainer.tokenizer.decode(ids[1][labels[1] < 0].tolist()).startswith("> will it rain\n")


RATES = [
    # step, share of the highest rate: 10 steps of warm-up, then half a cosine from 1 to 0.05 over 100 steps
    (0, 0.1),
    (4, 0.5),
    (9, 1.0),
    (10, 1.0),
    (35, 0.05 + 0.95 * 0.5 * (1 + 0.5**0.5)),  # a quarter of the way: cos 45°
    (60, 0.525),
    (85, 0.05 + 0.95 * 0.5 * (1 - 0.5**0.5)),
    (110, 0.05),
]


@pytest.mark.parametrize(("number", "share"), RATES, ids=[str(row[0]) for row in RATES])
def test_the_learning_rate(number: int, share: float, trainer: _Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "settings", replace(tiny.SETTINGS, steps=110, warmup=10, learning_rate=2e-3))
    assert trainer._rate(number) == pytest.approx(2e-3 * share, rel=1e-9)


def test_weights_decay_and_norms_do_not(trainer: _Trainer) -> None:
    decayed, plain = trainer.optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    assert {parameter.dim() for parameter in decayed["params"]} == {2}
    assert len(plain["params"]) == 2 * 2 + 1, "two norms a layer and one at the end"


NUMBERS = ["what is 1734 + 29", "7:30", "2 hours 15 minutes"]


@pytest.mark.parametrize("text", NUMBERS)
def test_digits_stand_alone(text: str) -> None:
    tokenizer = train_tokenizer([tiny.SOURCE], tiny.SETTINGS)
    pieces = [tokenizer.decode([number]) for number in tokenizer.encode(text).ids]
    assert "".join(pieces) == text
    assert all(piece.strip().isdigit() is False or len(piece.strip()) == 1 for piece in pieces)


def test_any_text_goes_through_the_tokenizer(trainer: _Trainer) -> None:
    for text in ("> bücher für élise 👍\n", 'note(text=" \\"x\\"")', "\t\x00"):
        assert trainer.tokenizer.decode(trainer.tokenizer.encode(text).ids) == text
