"""What `otto eval bench` asks: the suites, what teaches an engine, and what others have published about the same cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eval.skillset import INSTALLED
from otto.paths import room

ENGINES = ("phrases", "tagger", "llama", "embedded")
RETRIEVER = "retriever"
CANDIDATES = 6
PLUGIN = "plugin"  # skills of a suite: those of the folder that --barista-plugin names
BARISTA_PLUGIN = room("eval").parent / "tests" / "plugins" / "barista"  # in the repository; an installed Otto has no tests


@dataclass(frozen=True)
class Suite:
    """Cases, the skills to route to, and what teaches an engine. Files of the data folder stand here by their names in it."""

    name: str
    what: str
    cases: tuple[str, ...]
    skills: str = INSTALLED
    train: str = ""
    candidates: int | None = None
    skip_bad: bool = False  # rows that the skills do not know are left out, and counted
    engines: tuple[str, ...] = ENGINES
    published: tuple[tuple[str, float], ...] = ()  # (system, exact calls in %)
    stt: str = ""  # the speech engine, where the cases are recordings
    noise: str = ""
    snr: tuple[float | None, ...] = ()  # dB; None is without noise

    @property
    def is_public(self) -> bool:
        return self.skills != INSTALLED

    @property
    def teaches(self) -> bool:
        """Whether there is anything that a peer can be made from."""
        return not self.is_public or bool(self.train)

    @property
    def files(self) -> tuple[str, ...]:
        """What it needs of the data folder."""
        return tuple(name for name in (*self.cases, self.skills, self.train, self.noise) if name not in ("", INSTALLED, PLUGIN))


SUITES: Mapping[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "snips",
            "SNIPS 2017-06: 7 skills with many arguments; engines learn from its training set",
            ("snips_test.jsonl",),
            "skills/snips.json",
            "snips_train.jsonl",
            published=(
                ("slot-gated (Goo et al. 2018)", 75.5),
                ("capsule-NLU (Zhang et al. 2019)", 80.9),
                ("stack-propagation (Qin et al. 2019)", 86.9),
                ("joint BERT (Chen et al. 2019)", 92.8),
            ),
        ),
        Suite(
            "hwu64",
            "HWU64: 58 skills of a home assistant; learnt from HWU64, asked with SLURP's devel set, made from the same collection",
            ("slurp_devel.jsonl",),
            "skills/hwu64.json",
            "hwu64_train.jsonl",
            skip_bad=True,  # SLURP has an intent and some slots of its own
        ),
        Suite(
            "clinc",
            "CLINC150: 150 skills without arguments, and questions that are out of scope",
            ("clinc_val.jsonl",),
            "skills/clinc.json",
            "clinc_train.jsonl",
        ),
        Suite("desk", "Otto's bundled skills and stray talk: sentences of a third hand that nothing was trained or tuned on", ()),
        Suite(
            "candidates",
            f"Skills never seen, from Schema-Guided Dialogue's dev set: the right one among {CANDIDATES}, by signature and description alone",
            ("sgd_dev.jsonl",),
            "skills/sgd.json",
            candidates=CANDIDATES,
            engines=("llama", "embedded", RETRIEVER),
        ),
        Suite(
            "barista",
            "Picovoice's recordings of people who order coffee, clean and with noise of a kitchen, through closed-phrase speech recognition",
            ("speech/barista",),
            PLUGIN,
            engines=("phrases",),
            stt="closed-phrase",
            noise="speech/noise/kitchen.flac",
            snr=(None, 24.0, 18.0, 12.0, 6.0),
        ),
    )
}


def desk_files() -> tuple[str, ...]:
    """The held-out example files of the bundled skills."""
    return tuple(map(str, sorted((room("finetune") / "embedded" / "test").glob("*_examples.txt"))))


# Command acceptance in %, from src/plot.py of github.com/Picovoice/speech-to-intent-benchmark at 47b1ca63afe4:
# system → (with noise of the kitchen by dB, mean over café and kitchen from 24 to 6 dB by 3).
ACCEPTANCE: Mapping[str, tuple[Mapping[float, int], float]] = {
    "Picovoice Rhino": ({24: 99, 18: 99, 12: 98, 6: 96}, 97.6),
    "Microsoft LUIS": ({24: 93, 18: 92, 12: 90, 6: 86}, 89.9),
    "IBM Watson": ({24: 96, 18: 95, 12: 89, 6: 72}, 86.8),
    "Amazon Lex": ({24: 88, 18: 87, 12: 85, 6: 80}, 84.5),
    "Google Dialogflow": ({24: 83, 18: 81, 12: 78, 6: 70}, 77.6),
}

# Slot precision and recall in % of the engines of June 2017, each trained and asked intent by intent: means over the seven intents of the means over
# their slots and samples in the *_metrics.json of github.com/sonos/nlu-benchmark at b86ac7f15778, 2017-06-custom-intent-engines (Coucke et al. 2018).
# A slot that an engine never answered has no precision there and is left out of it.
ENGINES_2017: tuple[tuple[str, str, float, float], ...] = (  # (engine, training queries an intent, precision, recall)
    ("Luis", "70", 91.5, 53.6),
    ("Wit", "70", 84.9, 55.2),
    ("API.ai, now Dialogflow", "70", 76.6, 63.1),
    ("Alexa", "70", 68.7, 49.5),
    ("Snips", "70", 78.7, 76.5),
    ("Snips", "all, about 2,000", 92.3, 91.2),
)
