"""Whether exported weights answer as the adapter on its base does: the same prompts, greedily, each in the runtime that loads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.config import Evaluation
from finetune.data.split import TRAIN
from finetune.export.source import Source
from finetune.rows import PreferenceRow, TrainingRow, read_preference_rows, read_training_rows
from finetune.stages import answers, model
from finetune.stages.training import quiet
from otto.call import Call
from otto.errors import CallSyntaxError, MissingExtra, OttoError, UsageError

if TYPE_CHECKING:
    from otto.router.causal import CausalModel

MOST_TOKENS = 128  # of an answer
_PROMPT_TOKENS = 8192  # the longest that the llama.cpp of a comparison takes


@dataclass(frozen=True)
class Agreement:
    """In how many of n cases two models gave the same answer."""

    texts: int  # to the letter
    calls: int  # by the equality of calls; answers that are none, to the letter
    n: int

    def __str__(self) -> str:
        return f"the same call as the adapter in {self.calls} of {self.n} cases, to the letter in {self.texts}"


@dataclass(frozen=True)
class Cases:
    """What is asked."""

    prompts: tuple[str, ...]

    @classmethod
    def read(cls, source: Source, rows: Path | None, most: int) -> Cases:
        """Prompts of rows, those first that no stage learned from.

        Args:
            source: its run's own rows are taken where none are named.
            rows: a file of `otto finetune data collect` or `pairs`.
            most: of them.

        Raises:
            UsageError: there are none.
            OttoError: the file cannot be read.
        """
        file = rows or getattr(source.settings, "rows", None) or (source.settings.data if source.run else None)
        if file is None:
            raise UsageError("There are no rows to compare the weights on", "name some with --rows FILE")
        found = sorted(_rows(file), key=lambda row: row.split == TRAIN)
        prompts = dict.fromkeys(row.prompt for row in found if isinstance(row.prompt, str))
        if not prompts:
            raise UsageError(f"{file} has no prompt that is a text", "collect rows with --format of the model's family")
        return cls(tuple(prompts)[:most])

    def compare(self, right: Sequence[str], said: Sequence[str]) -> Agreement:
        """How often two models agree on these cases."""
        pairs = list(zip(right, said, strict=True))
        return Agreement(sum(one == other for one, other in pairs), sum(_calls(one) == _calls(other) for one, other in pairs), len(pairs))


def require_engine(targets: Sequence[str]) -> None:
    """Raises MissingExtra where the runtime of a target is not installed."""
    if "gguf" in targets and find_spec("xllamacpp") is None:
        raise MissingExtra("xllamacpp", "llama-cpp")


def adapter_answers(network: Any, tokenizer: Any, source: Source, cases: Cases) -> list[str]:
    """What a model of transformers answers."""
    end = model.end_token(tokenizer, source.family)
    return answers.answers(network, tokenizer, cases.prompts, end, Evaluation(max_new_tokens=MOST_TOKENS, batch=1))


def answers_of(target: str, folder: Path, source: Source, cases: Cases) -> list[str]:
    """What the weights of a target answer."""
    if target == "merged":
        return _merged_answers(folder, source, cases)
    return _onnx_answers(folder, cases) if target == "onnx" else _gguf_answers(folder, cases)


def _merged_answers(folder: Path, source: Source, cases: Cases) -> list[str]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet():
        network = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    return adapter_answers(network, AutoTokenizer.from_pretrained(folder, local_files_only=True), source, cases)


def _onnx_answers(folder: Path, cases: Cases) -> list[str]:
    from otto.router.causal import CausalModel

    causal = CausalModel(folder)
    return [_written(causal, prompt) for prompt in cases.prompts]


def _written(causal: CausalModel, prompt: str) -> str:
    """What a model writes behind a prompt, greedily, under no grammar."""
    past, cache, unread = 0, causal.empty_cache(), causal.encode(prompt)
    written: list[int] = []
    while len(written) < MOST_TOKENS:
        logits, cache = causal.run(unread, past, cache)
        past += len(unread)
        unread = [int(logits.argmax())]
        if unread == [causal.end]:
            break
        written += unread
    return str(causal.tokenizer.decode(written, skip_special_tokens=False))


def _gguf_answers(folder: Path, cases: Cases) -> list[str]:
    import torch
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(next(folder.glob("*.gguf")))
    params.n_ctx = _PROMPT_TOKENS
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.verbosity = -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
    params.cache_type_k = params.cache_type_v = 0  # float32, and so is attention without its flash variant: the weights are compared, not
    params.flash_attn_type = 0  # the halves that llama.cpp calculates with otherwise
    server = xllamacpp.Server(params)
    asked = {"max_tokens": MOST_TOKENS, "temperature": 0}
    return [str(server.handle_completions({"prompt": prompt, **asked})["choices"][0]["text"]) for prompt in cases.prompts]


def _rows(file: Path) -> Sequence[TrainingRow | PreferenceRow]:
    try:
        return read_training_rows(file)
    except OttoError:
        return read_preference_rows(file)


def _calls(answer: str) -> Any:
    try:
        return Call.parse_all(answer.strip())
    except CallSyntaxError:
        return answer
