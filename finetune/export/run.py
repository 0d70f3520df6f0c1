"""Export weights to the formats that runtimes load: each target whole in a folder of its own, or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from finetune.embedded.export import export_llama, require_builder
from finetune.estimate import Sizes, gib
from finetune.export.agreement import Cases, adapter_answers, answers_of, require_engine
from finetune.export.card import Facts, write_card
from finetune.export.gguf import KINDS, require_gguf, write_gguf
from finetune.export.merge import load, prompt_of, save_merged
from finetune.export.source import Source
from finetune.stages.endings import no_room
from otto.errors import OttoError, StoreError, UsageError
from otto.promptformat import TEXT, PromptFormat
from otto.router.causal import EMBEDDED

MERGED, ONNX, GGUF = TARGETS = ("merged", "onnx", "gguf")
ONNX_BYTES = 2**31  # the most that one ONNX file holds
Note = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    out: Path
    targets: tuple[str, ...] = (MERGED,)
    kind: str = "f16"  # of the GGUF's matrices
    rows: Path | None = None  # to compare the targets on; None for the run's own
    check: int = 0  # how many of them; 0 compares nothing


def export(source: Source, order: Order, note: Note) -> list[Path]:
    """Write each target and say so; the folders.

    Raises:
        UsageError: there is no such target, or it is there already.
        MissingExtra: a package that a target needs is not installed; nothing is written then.
        ModelError: the weights do not fit each other, or the target.
        StoreError: the disk is full; the targets that are whole stay.
    """
    _check(source, order)
    cases = Cases.read(source, order.rows, order.check) if order.check else None
    network, tokenizer = load(source)
    prompt = prompt_of(source, tokenizer)
    facts = Facts.of(source, prompt)
    right = adapter_answers(network, tokenizer, source, cases) if cases else []
    made: list[Path] = []
    with _scratch(order.out) as scratch:
        merged = scratch / MERGED
        save_merged(network, tokenizer, source, merged)
        del network
        for target in sorted(order.targets, key=TARGETS.index):
            folder = scratch / target
            if target != MERGED:
                _write(target, merged, folder, source, order.kind, prompt)
            agreement = cases.compare(right, answers_of(target, folder, source, cases)) if cases else None
            write_card(folder, facts, target, order.kind, agreement)
            made.append(_place(folder, order.out / target))
            note(f"{target}: {gib(_bytes(made[-1]))} in {made[-1]}" + (f", {agreement}" if agreement else ""))
            merged = made[-1] if target == MERGED else merged
    return made


def _check(source: Source, order: Order) -> None:
    for target in order.targets:
        if target not in TARGETS:
            raise UsageError(f"There is no target {target}", f"name some of {', '.join(TARGETS)} with --to")
        if (order.out / target).exists():
            raise UsageError(f"{order.out / target} is there already", "delete it, or name another folder with --out FOLDER")
    if order.kind not in KINDS:
        raise UsageError(f"There is no kind {order.kind} of GGUF", f"use one of: {', '.join(KINDS)}")
    if ONNX in order.targets:
        require_builder()
        sizes = Sizes.read(source.settings.base)
        if sizes.linear + sizes.others > ONNX_BYTES:
            what = f"{source.name} is larger than the {gib(ONNX_BYTES)} that one ONNX file holds"
            raise UsageError(what, "export it as gguf")
    if GGUF in order.targets:
        require_gguf()
        if source.family == EMBEDDED:
            raise UsageError("The embedded router's model is not run by llama.cpp", "export it as onnx")
    if order.check:
        require_engine(order.targets)


def _write(target: str, merged: Path, folder: Path, source: Source, kind: str, prompt: PromptFormat) -> None:
    """ONNX or GGUF from the merged weights."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(merged, local_files_only=True)
    folder.mkdir()
    shutil.copy(merged / TEXT, folder / TEXT)
    if target == ONNX:
        export_llama(merged, folder, {"eos": tokenizer.eos_token, **prompt.to_json()})
        return
    about = {"general.name": source.name, "otto.prompt.family": prompt.family, "otto.prompt.sha256": prompt.sha256}
    about["otto.prompt.text"] = (merged / TEXT).read_text(encoding="utf-8").removesuffix("\n")
    write_gguf(merged, folder / f"{source.name}-{kind}.gguf", kind, tokenizer.chat_template, about)


def _place(folder: Path, target: Path) -> Path:
    os.replace(folder, target)
    return target


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder in `out` for what is not whole yet; it is gone afterwards, and so is `out` where nothing came to lie in it.

    Raises StoreError where the disk is full or the folder cannot be written.
    """
    scratch = out / ".export"
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        scratch.mkdir(parents=True)
        yield scratch
    except Exception as error:
        why = no_room(error) or (isinstance(error, OSError) and (error.strerror or str(error)))
        if not why:
            raise
        why = "the disk is full" if isinstance(error, OttoError) else why  # the builder of ONNX says so among other words
        raise StoreError(f"The weights cannot be written to {out} ({why})", "make room, or name another folder with --out FOLDER") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):
            out.rmdir()
