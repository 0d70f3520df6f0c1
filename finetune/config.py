"""The settings of the stages: a YAML file and `name=value` overrides → typed settings, every mistake at once with its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from finetune.rewards import WEIGHTS
from finetune.settings_file import YamlFile, read_override
from otto.errors import ConfigError, Problem, UsageError
from otto.paths import room

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Lora(_Settings):
    """Low-rank adapters (Hu et al. 2021)."""

    r: Count = 16
    alpha: Count = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: tuple[str, ...] = TARGETS


class Schedule(_Settings):
    """How long and how fast."""

    epochs: Positive = 3.0
    steps: Count | None = None  # in place of epochs
    learning_rate: Positive = 2e-4
    warmup: Share = 0.1  # of all steps
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    batch: Count = 4  # rows a device and pass
    accumulate: Count = 4  # passes a step
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Positive = 1.0
    max_length: Annotated[int, Field(ge=16)] = 1024  # tokens; longer rows are left out, with a word
    checkpointing: bool = True  # activations are computed anew in the backward pass: less memory, about a fifth slower
    every: Count = 50  # steps between evaluations, each with a checkpoint
    patience: Annotated[int, Field(ge=0)] = 3  # evaluations without a better loss before the stage ends; 0: never
    keep: Count = 2  # checkpoints
    seed: int = 7


class Evaluation(_Settings):
    """What is measured beside the loss."""

    rows: Annotated[int, Field(ge=0)] = 200  # of the validation rows, answered before and after the stage
    samples: Annotated[int, Field(ge=0)] = 4  # of them answered at each evaluation, and kept
    batch: Count = 16
    max_new_tokens: Count = 128


class Stage(_Settings):
    """What all stages have."""

    stage: str
    base: Path  # the model's folder
    data: Path  # rows
    out: Path  # its folder: log, checkpoints, adapter
    adapter: Path | None = None  # an adapter to go on from
    family: str = ""  # of the prompts; "" is the model's own
    skills: str = "installed"
    quantise: bool = True  # NF4 with double quantisation, where there is a GPU
    device: Literal["auto", "cpu", "cuda"] = "auto"
    lora: Lora = Lora()
    training: Schedule = Schedule()
    evaluation: Evaluation = Evaluation()


class Sft(Stage):
    """Supervised tuning on rows of prompt and completion."""

    stage: Literal["sft"]
    packing: bool = True  # several rows in one sequence, none of which sees another


class Dpo(Stage):
    """Direct preference optimisation (Rafailov et al. 2023) on pairs; the reference is the adapter that it starts from."""

    stage: Literal["dpo"]
    beta: Positive = 0.1
    sft_weight: Annotated[float, Field(ge=0)] = 0.0  # of the chosen answer's own loss beside it, which keeps it likely
    rows: Path | None = None  # training rows whose validation part is answered before and after
    training: Schedule = Schedule(epochs=1, learning_rate=5e-6)


class Rewarded(Stage):
    """What the stages have that sample answers and learn from their rewards."""

    weights: dict[str, Weight] = WEIGHTS  # of the rewards, by their names; those that are not named stay as they are
    kl: Weight = 0.02  # of the divergence from the policy that it begins as
    temperature: Positive = 1.0  # of the answers that it learns from
    max_new_tokens: Count = 128  # of such an answer; with its prompt it is within training.max_length
    training: Schedule = Schedule(epochs=1, learning_rate=5e-6, batch=2, accumulate=4)

    @field_validator("weights")
    @classmethod
    def _known(cls, weights: dict[str, float]) -> dict[str, float]:
        every = WEIGHTS | weights
        if len(every) > len(WEIGHTS) or not any(every.values()):
            raise PydanticCustomError("weights", "Input should be weights of {names}, not all of them 0", {"names": ", ".join(WEIGHTS)})
        return every


class Grpo(Rewarded):
    """Group relative policy optimisation (Shao et al. 2024): an answer counts as far as it is better than the others to its prompt."""

    stage: Literal["grpo"]
    group: Annotated[int, Field(ge=2, validate_default=True)] = 4  # answers to each prompt

    @field_validator("group")
    @classmethod
    def _whole(cls, group: int, info: ValidationInfo) -> int:
        """A step has whole groups."""
        schedule = info.data.get("training")
        if schedule and schedule.batch * schedule.accumulate % group:
            step = f"{schedule.batch} × {schedule.accumulate}"
            raise PydanticCustomError("group", "Input should be a divisor of training.batch × training.accumulate, {step}", {"step": step})
        return group


class Ppo(Rewarded):
    """Proximal policy optimisation (Schulman et al. 2017)."""

    stage: Literal["ppo"]
    updates: Count = 4  # of the weights from the answers of a step
    clip: Positive = 0.2  # how far an update may move the probability of a token, and a value
    discount: Share = 1.0
    trace: Share = 0.95  # λ of the advantages (Schulman et al. 2015)
    value_weight: Weight = 0.1  # of the value head's loss


class PlanStage(_Settings):
    """One stage of a plan: its file, beside the plan or one that Otto ships, and what differs from it."""

    config: str
    set: dict[str, Any] = {}  # "training.epochs": 2


class Plan(_Settings):
    """Stages in a chain, each from the adapter of the one before."""

    NAMES: ClassVar[tuple[str, ...]] = ("base", "skills", "family", "quantise", "device")
    base: Path
    out: Path
    rows: Path  # training rows whose test part is answered between the stages
    stages: Annotated[tuple[PlanStage, ...], Field(min_length=1)]
    skills: str = "installed"
    family: str = ""
    quantise: bool = True
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tolerance: Share = 0.0  # how much of the exact calls a stage may lose
    evaluation: Evaluation = Evaluation()

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, values: Any) -> Any:
        """A stage may be written as the name of its file alone."""
        if isinstance(values, dict) and isinstance(values.get("stages"), list):
            stages = [{"config": item} if isinstance(item, str) else item for item in values["stages"]]
            return {**values, "stages": stages}
        return values


AnyStage: TypeAlias = Sft | Dpo | Grpo | Ppo
STAGES: dict[str, type[AnyStage]] = {"sft": Sft, "dpo": Dpo, "grpo": Grpo, "ppo": Ppo}


def shipped(stage: str) -> Path:
    """The settings of a stage that Otto ships."""
    return room("finetune") / "configs" / f"{stage}.yaml"


def load_stage(path: Path, overrides: Sequence[str] = (), given: Mapping[str, Any] | None = None) -> AnyStage:
    """The settings of a stage.

    Args:
        path: its YAML file.
        overrides: `lora.r=8`; they beat the file.
        given: place with dots → value, from a plan; they beat the file too.

    Raises:
        ConfigError: every mistake of the file and of the overrides, with its line.
        StoreError: the file cannot be read.
    """
    file = YamlFile(path)
    kind = file.values.get("stage")
    if not isinstance(kind, str) or kind not in STAGES:
        mend = f"write `stage:` with one of: {', '.join(STAGES)}"
        raise ConfigError(f"{path} has a mistake", [Problem(file.where(("stage",)), f"there is no stage {kind!r}", mend)])
    return _load(file, STAGES[kind], overrides, given or {})


def load_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """The settings of a plan. Raises as `load_stage`."""
    return _load(YamlFile(path), Plan, overrides, {})


def _load(file: YamlFile, kind: type[Any], overrides: Sequence[str], given: Mapping[str, Any]) -> Any:
    problems: list[Problem] = []
    values = file.values
    places: dict[tuple[str, ...], str] = {}
    for name, value in given.items():
        _put(values, tuple(name.split(".")), value)
    for text in overrides:
        read = read_override(text)
        if isinstance(read, Problem):
            problems.append(read)
        else:
            places[read[0]] = text
            _put(values, *read)
    try:
        settings = kind.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            place = item["loc"]
            texts = [text for known, text in places.items() if known == tuple(map(str, place))[: len(known)]]
            problems.append(_problem(texts[0] if texts else file.where(place), item, _at(values, place), kind))
    if problems:
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise ConfigError(f"{file.path} and its overrides have {count}" if overrides else f"{file.path} has {count}", problems)
    return settings


def _put(values: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    for name in place[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            inner = values[name] = {}
        values = inner
    values[place[-1]] = value


def _at(values: Any, place: Sequence[str | int]) -> Any:
    for name in place:
        try:
            values = values[name]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _problem(where: str, item: Any, value: Any, kind: type[BaseModel]) -> Problem:
    name = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, _names(kind), n=1)
        return Problem(where, f"there is no setting {name}", f"did you mean {close[0]}?" if close else "")
    if item["type"] == "missing":
        return Problem(where, f"{name} is not set", f"write it into the file, or give {name}=… behind it")
    if item["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return Problem(where, f"{name} holds settings", "write them indented below it")
    return Problem(where, f"{name} = {value!r} does not fit", f"it should be {item['msg'].removeprefix('Input should be ')}")


def _names(kind: type[BaseModel], before: str = "") -> list[str]:
    found = []
    for name, field in kind.model_fields.items():
        found.append(before + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _names(field.annotation, f"{before}{name}.")
    return found


def stage_of_plan(plan: Plan, number: int, beside: Path, adapter: Path | None) -> AnyStage:
    """The settings of one stage of a plan, from the adapter of the one before.

    Args:
        plan: the plan.
        number: from 0.
        beside: the plan's folder.
        adapter: that of the stage before; None for the first.
    """
    item = plan.stages[number]
    found = [path for path in (beside / item.config, shipped(item.config.removesuffix(".yaml"))) if path.is_file()]
    if not found:
        raise UsageError(f"There are no settings {item.config} of a stage beside the plan", f"use one of: {', '.join(STAGES)}, or a file")
    given: dict[str, Any] = {name: getattr(plan, name) for name in Plan.NAMES}
    kind = YamlFile(found[0]).values.get("stage")
    given["out"] = plan.out / f"{number + 1}-{kind}"
    if kind == "dpo":
        given["rows"] = plan.rows
    else:
        given["data"] = plan.rows
    if adapter:
        given["adapter"] = adapter
    return load_stage(found[0], (), given | item.set)


def lesson(settings: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Of a stage's settings, as YAML has them, those that decide what is learned; how the rows of a step are dealt out does not."""
    schedule = dict(settings["training"])
    rows = schedule.pop("batch") * schedule.pop("accumulate") * processes
    free = ("checkpointing", "keep")
    return {**settings, "training": {name: value for name, value in schedule.items() if name not in free} | {"rows": rows}}


def to_yaml(settings: BaseModel) -> str:
    """All settings, those left at their defaults too."""
    import yaml

    return str(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True))
