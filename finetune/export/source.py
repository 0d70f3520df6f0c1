"""What is exported: a run of a stage, its adapter or a checkpoint of it, or the folder of a whole model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune.config import AnyStage, Sft, load_stage
from finetune.stages.model import check_adapter
from finetune.tracking import ADAPTER, CONFIG, DONE, RUN, read_json
from otto.errors import ModelError, OttoError, UsageError
from otto.prompt import family_of

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Source:
    """Weights to export, and the run that made them."""

    settings: AnyStage  # base and adapter, on the CPU and in full precision
    run: Path | None  # the folder with run.json; None for weights that no stage made
    family: str  # of the prompt

    @property
    def name(self) -> str:
        """For the card and the files."""
        base = self.settings.base.resolve().name
        return f"{base}-{self.settings.stage}" if self.run else base

    @property
    def weights(self) -> Path:
        """The folder that says what the weights were tuned with."""
        return self.settings.adapter or self.settings.base

    @classmethod
    def find(cls, folder: Path, base: Path | None = None) -> Source:
        """The source that a folder is.

        Args:
            folder: a stage's, its adapter's, a checkpoint's or a whole model's.
            base: the base's folder, where it is not where it was when the adapter was tuned.

        Raises:
            ModelError: there are no such weights, they are not whole, or the adapter is of another base.
            UsageError: the run is not done, or nothing tells the family of the prompt.
        """
        run = _run_of(folder)
        adapter = _adapter(folder, run)
        if run is not None:
            settings = load_stage(run / CONFIG, (), {"device": "cpu", "quantise": False, "adapter": adapter, **({"base": base} if base else {})})
        elif adapter:
            named = base or _named_base(adapter)
            settings = Sft(stage="sft", base=named, adapter=adapter, data=Path(), out=Path(), device="cpu", quantise=False)
        else:
            _require_model(folder)
            settings = Sft(stage="sft", base=folder, data=Path(), out=Path(), device="cpu", quantise=False)
        check_adapter(settings)
        _require_base(settings.base)
        return cls(settings, run, _family(settings))

    def lineage(self) -> Iterator[tuple[Path, AnyStage]]:
        """The runs that made the adapter, the last first: each folder with its settings."""
        run = self.run
        while run is not None:
            settings = load_stage(run / CONFIG)
            yield run, settings
            run = _run_of(settings.adapter) if settings.adapter else None


def _run_of(folder: Path) -> Path | None:
    """The run that a folder is, or lies in as its adapter or as one of its checkpoints."""
    around = list(folder.resolve().parents)[:2] if (folder / ADAPTER_CONFIG).is_file() else []
    return next((path for path in (folder, *around) if (path / RUN).is_file() and (path / CONFIG).is_file()), None)


def _adapter(folder: Path, run: Path | None) -> Path | None:
    if (folder / ADAPTER_CONFIG).is_file():
        adapter = folder
    elif run is not None:
        state = read_json(run / RUN).get("state", "begun")
        adapter = run / ADAPTER
        if state != DONE or not adapter.is_dir():
            stage = read_json(run / RUN).get("stage", "STAGE")
            mend = f"give `otto finetune {stage}` again to finish it, or name one of its checkpoints"
            raise UsageError(f"The run in {run} is not done ({state})", mend)
    else:
        return None
    _require_whole(adapter)
    return adapter


def _require_whole(adapter: Path) -> None:
    from safetensors import SafetensorError, safe_open

    mend = "export an earlier checkpoint of the run, or tune it again"
    try:
        with safe_open(adapter / ADAPTER_WEIGHTS, "pt") as file:
            empty = not list(file.keys())
    except FileNotFoundError:
        raise ModelError(f"There is no {ADAPTER_WEIGHTS} in {adapter}", mend) from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The adapter in {adapter} was cut short ({error})", mend) from None
    if empty:
        raise ModelError(f"The adapter in {adapter} holds no weights", mend)


def _named_base(adapter: Path) -> Path:
    named = Path(str(read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path") or ""))
    if not (named / "config.json").is_file():
        what = f"The base {named.name or 'of the adapter'} is not where it was when {adapter} was tuned"
        raise ModelError(what, "name its folder with --base FOLDER")
    return named


def _require_model(folder: Path) -> None:
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        mend = "name the folder of a run, as `otto finetune runs` lists them, of an adapter or of a model"
        raise UsageError(f"There is nothing to export in {folder}", mend)


def _require_base(base: Path) -> None:
    if not (base / "config.json").is_file():
        raise ModelError(f"There is no base in {base}", "name its folder with --base FOLDER")
    if "quantization_config" in read_json(base / "config.json"):
        what = f"{base.name} is stored in {_bits(base)}, and an adapter that is merged into such weights is rounded away"
        raise ModelError(what, "name the folder of the same base in full precision with --base FOLDER")


def _bits(base: Path) -> str:
    stored = read_json(base / "config.json")["quantization_config"]
    return "4 bits" if stored.get("load_in_4bit") or stored.get("bits") == 4 else "fewer bits than it has"


def _family(settings: AnyStage) -> str:
    """What the adapter was trained with counts; then the settings, then what the base tells."""
    for folder in filter(None, (settings.adapter, settings.base)):
        try:
            return settings.family if folder == settings.base and settings.family else family_of(folder)
        except OttoError:
            continue
    raise UsageError(f"The prompt family of {settings.base.name} is not known", 'write "otto_prompt": "…" into its tokenizer_config.json')
