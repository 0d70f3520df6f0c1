"""Where a run's figures and answers go beside its own files: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.tracking import ADAPTER, CONFIG, DONE, FAILED, Sink, Tracker
from otto.cli import wandb as weights_and_biases
from otto.cli.wandb import safe_name, sentences
from otto.errors import MissingExtra, StoreError

TENSORBOARD = "tensorboard"  # in the run's folder


def open_tensorboard(tracker: Tracker) -> Sink:
    """TensorBoard's files, in OUT/tensorboard. Raises MissingExtra where it is not installed, StoreError where they cannot be written."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtra("tensorboard", "tensorboard") from None
    return _TensorBoard(tracker.folder / TENSORBOARD, SummaryWriter)


def open_wandb(tracker: Tracker) -> Sink:
    """A run of W&B, that of before where this one goes on. Raises OttoError: it is not installed, out of reach, or has no key."""
    return _WeightsAndBiases(tracker)


class _TensorBoard:
    def __init__(self, folder: Path, writer: Any) -> None:
        self._folder = folder
        self._make = writer
        with self._writing():
            self._writer = writer(str(folder))

    def rewind(self, step: int) -> None:
        with self._writing():
            self._writer.close()
            self._writer = self._make(str(self._folder), purge_step=step + 1)

    def metrics(self, step: int, values: Mapping[str, Any]) -> None:
        with self._writing():
            for name, value in values.items():
                if isinstance(value, int | float):
                    self._writer.add_scalar(name, value, step)

    def predictions(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._writing():
            for when, part in _by_when(rows):
                lines = [" | ".join(part[0]), " | ".join("---" for _ in part[0]), *(" | ".join(map(_cell, row.values())) for row in part)]
                self._writer.add_text(f"predictions/{when}", "\n".join(lines), step)
            self._writer.flush()

    def finish(self, facts: Mapping[str, Any]) -> None:
        with self._writing():
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be written ({error.strerror}), and the run goes on without it", "make room") from None


class _WeightsAndBiases:
    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        weights_and_biases.package()
        facts = tracker.read()
        config = {name: facts[name] for name in ("stage", "data", "git", "machine", "processes") if name in facts}
        settings = {"settings": (tracker.folder / CONFIG).read_text(encoding="utf-8")}
        with sentences("leave --wandb out: the run's own files have everything"):
            self._run = weights_and_biases.begin(
                tracker.folder.name, facts["stage"], tracker.folder, config | settings, id=facts.get("wandb"), resume="allow"
            )
        tracker.update(wandb=self._run.id)

    def rewind(self, step: int) -> None:
        """W&B takes no step twice; the figures would be the same."""

    def metrics(self, step: int, values: Mapping[str, Any]) -> None:
        with self._logging():
            self._run.log(dict(values), step=step)

    def predictions(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        table = weights_and_biases.package().Table
        with self._logging():
            for when, part in _by_when(rows):
                data = [[step, *row.values()] for row in part]
                self._run.log({f"predictions/{when}": table(columns=["step", *part[0]], data=data)}, step=step)

    def finish(self, facts: Mapping[str, Any]) -> None:
        with self._logging():
            for when in ("before", "after"):
                self._run.summary.update({f"{when}/{name}": share["value"] for name, share in (facts.get(when) or {}).items()})
            if facts["state"] == DONE:
                self._run.log_artifact(self._adapter(facts))
            self._run.finish(exit_code=int(facts["state"] == FAILED))
            self._tracker.note(f"W&B: {weights_and_biases.place(self._run)}")

    def _adapter(self, facts: Mapping[str, Any]) -> Any:
        """The adapter's folder, which holds no weights of the base, and the prompt that it was tuned with."""
        from otto.prompt import whole_template
        from otto.promptformat import TEXT, PromptFormat

        folder = self._tracker.folder / ADAPTER
        prompt = PromptFormat.read(folder)
        metadata = {name: facts[name] for name in ("stage", "git", "after", "steps") if name in facts} | (prompt.to_json() if prompt else {})
        artifact = weights_and_biases.package().Artifact(safe_name(f"{self._tracker.folder.name}-adapter"), type="model", metadata=metadata)
        artifact.add_dir(str(folder))
        if prompt and not (folder / TEXT).is_file():
            with artifact.new_file(TEXT, encoding="utf-8") as file:
                file.write(whole_template(prompt.family))
        return artifact

    def _logging(self) -> Any:
        return sentences(f"the run's own files in {self._tracker.folder} have everything, and it goes on")


def _by_when(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answers by the occasion on which they were given."""
    for when in dict.fromkeys(str(row["when"]) for row in rows):
        yield when, [{name: value for name, value in row.items() if name != "when"} for row in rows if row["when"] == when]


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
