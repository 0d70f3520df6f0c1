"""A Mistral or Llama model from a folder, with a LoRA adapter, as a router: 4-bit where there is a CUDA GPU.

Decoding is greedy and held to the grammar of the installed skills; tokens that the grammar forces are not asked of the
model, and what a prompt shares with the one before is not read again. Nothing is ever downloaded.
"""

from __future__ import annotations

import json
import math
import threading
import time
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from otto.errors import MissingExtra, ModelError, UsageError
from otto.grammar import call_grammar
from otto.messages import Route
from otto.prompt import FAMILIES, check_pairing, family_of, read_own, render
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.router.base import NOTHING

if TYPE_CHECKING:
    import torch

    from otto.config import Settings

MAX_TOKENS = 256  # of an answer

_FILES = {"model": ("config.json", "*.safetensors"), "adapter": ("adapter_config.json", "adapter_model.safetensors")}
_OF_OTHERS = ("embedded", "openai")  # prompts of other routers
_TURN_ENDS = ("<|eot_id|>", "<|im_end|>")  # end an answer as well as the tokenizer's own end of text
_CHOOSE = "choose another with `otto config set router.{} FOLDER`"
_COPY = "copy its files anew, or " + _CHOOSE.format("model")


class TransformersRouter:
    """Asks a large model on this machine for the calls."""

    name = "transformers"

    def __init__(self, registry: Registry, settings: Settings) -> None:
        """Loads the model.

        Raises:
            MissingExtra: torch, transformers or, for an adapter, peft is not installed.
            ModelError: the model or the adapter is not there, damaged, or too large.
            UsageError: the prompt that the adapter was trained with is not the model's, or the user's own is not.
        """
        folder = _folder(settings, "model")
        adapter = _folder(settings, "adapter") if settings.router.adapter else None
        for package in ("torch", "transformers", "accelerate", *(["peft"] if adapter else [])):
            if find_spec(package) is None:
                raise MissingExtra(package, "transformers")
        self._model_name = folder.name
        self._family = _family(folder, adapter)
        self._own_prompt = read_own(settings.router.prompt, self._family, folder.name)
        self._tokenizer = _load_tokenizer(adapter if adapter and _has_tokenizer(adapter) else folder)
        self._model = _load_model(folder, len(self._tokenizer))
        if adapter:
            self._model = _with_adapter(self._model, adapter)
        self._model.eval()
        self._ends = _end_tokens(self._tokenizer, self._model)
        self._grammar_tokens = _grammar_tokens(self._tokenizer, self._ends, folder)
        self._lock = threading.Lock()  # one cache, one utterance at a time
        self._forget()
        self.update(registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        from llguidance import LLMatcher

        self._registry = registry
        # Words of a prompt such as "[INST] … [/INST]" end without the space that many models begin their answer with.
        grammar = 'start: " "? answer\n' + call_grammar(registry, several=True).replace("start:", "answer:", 1)
        self._matcher = LLMatcher(self._grammar_tokens, LLMatcher.grammar_from_lark(grammar))
        if self._matcher.is_error():
            raise ModelError(f"The skills do not make a grammar ({self._matcher.get_error()})", "run `otto skills check`")

    def route(self, text: str) -> Route:
        """The calls that the model finds; `other()` with confidence 0 where its answer does not end in time.

        Raises:
            ModelError: the prompt is longer than the model can read, or the model fails.
        """
        import torch

        started = time.perf_counter()
        prompt = self._tokenizer(render(self._family, self._registry, text, own=self._own_prompt), add_special_tokens=False)["input_ids"]
        self._require_room(len(prompt))
        with self._lock, torch.inference_mode():
            try:
                answer, confidence = self._decode(prompt)
            except BaseException as error:
                self._forget()  # the layers of a cache that was being written may differ
                if not isinstance(error, Exception):
                    raise
                raise ModelError(f"The model {self._model_name} failed ({_reason(error)})", _CHOOSE.format("model")) from error
        calls = read_calls(answer, self._registry)
        ms = (time.perf_counter() - started) * 1000
        if calls is None:
            return Route(text, (NOTHING,), 0.0, self.name, ms, invalid=answer)
        return Route(text, calls, confidence, self.name, ms)

    def _decode(self, prompt: Sequence[int]) -> tuple[str, float]:
        """The answer, and the probability of the choices in it, among all that the model could have said instead."""
        import torch

        matcher = self._matcher.deep_copy()
        answer: list[int] = []
        log_probability = 0.0
        unread = self._shared_with_last(prompt)
        while len(answer) < MAX_TOKENS and not matcher.is_stopped():
            logits = self._read(unread)
            allowed = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)[: len(logits)] > 0
            choices = logits[: len(allowed)].masked_fill(~allowed.to(logits.device), -math.inf)
            token = int(choices.argmax())
            log_probability += float(logits.log_softmax(-1)[token])
            matcher.consume_token(token)
            if token in self._ends:
                break
            forced = matcher.compute_ff_tokens()
            matcher.consume_tokens(forced)
            unread = [token, *forced]
            answer += unread
        if matcher.is_error() or math.isnan(log_probability):
            raise ValueError(matcher.get_error() or "its numbers are not numbers")
        return self._grammar_tokens.decode_str(answer), math.exp(min(0.0, log_probability))

    def _shared_with_last(self, prompt: Sequence[int]) -> list[int]:
        """Cut the cache down to what the prompt begins with; the rest of the prompt, at least one token."""
        shared = 0
        for seen, token in zip(self._seen, prompt[:-1], strict=False):
            if seen != token:
                break
            shared += 1
        self._cache.crop(shared - len(self._seen))
        del self._seen[shared:]
        return list(prompt[shared:])

    def _read(self, tokens: Sequence[int]) -> torch.Tensor:
        """Logits of the token that follows: float32[vocabulary]."""
        import torch

        ids = torch.tensor([tokens], device=self._model.device)
        logits = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
        self._seen += tokens
        return logits[0, -1].float()

    def _forget(self) -> None:
        from transformers import DynamicCache

        self._cache = DynamicCache()  # keys and values of the tokens in _seen
        self._seen: list[int] = []

    def _require_room(self, length: int) -> None:
        limit = getattr(self._model.config, "max_position_embeddings", None)
        if limit and length + MAX_TOKENS > limit:
            raise ModelError(
                f"The installed skills and the answer need {length + MAX_TOKENS} tokens and the model {self._model_name} reads {limit}",
                "use one with a longer context: `otto config set router.model FOLDER`",
            )


def _folder(settings: Settings, key: str) -> Path:
    """The folder that a setting names, beside what Otto itself keeps or anywhere else."""
    named = getattr(settings.router, key)
    if not named:
        raise ModelError(f"No {key} is chosen for the router", f"name its folder with `otto config set router.{key} FOLDER`")
    folder = settings.paths.models / Path(named).expanduser()
    files = _FILES[key]
    if not (folder / files[0]).is_file() or not any(folder.glob(files[1])):
        raise ModelError(f"There is no {key} of the router in {folder}", f"put its {' and '.join(files)} there, or {_CHOOSE.format(key)}")
    return folder


def _family(folder: Path, adapter: Path | None) -> str:
    """The prompt family of the model. Raises UsageError where an adapter was trained with that of another."""
    trained_with = _known_family(adapter) if adapter else None
    if trained_with and _known_family(folder):
        check_pairing(trained_with, folder)
    family = trained_with or _known_family(folder)
    if family is None:
        mend = f'write "otto_prompt": "…" into its config.json, with one of: {", ".join(name for name in FAMILIES if name not in _OF_OTHERS)}'
        raise ModelError(f"The prompt family of the model in {folder} is not known", mend)
    if family in _OF_OTHERS:
        raise ModelError(f"The model {folder.name} takes the prompt of the router {family}", _CHOOSE.format("model"))
    return family


def _known_family(folder: Path) -> str | None:
    try:
        return family_of(folder)
    except UsageError:
        return None


def _has_tokenizer(adapter: Path) -> bool:
    return (adapter / "tokenizer.json").is_file()


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a damaged file fails in as many ways as it has formats
        raise ModelError(f"The tokenizer in {folder} cannot be loaded ({_reason(error)})", _COPY) from error


def _load_model(folder: Path, vocabulary: int) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, found = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, output_loading_info=True, **_placing(folder))
    except torch.OutOfMemoryError:
        raise ModelError(f"The model {folder.name} does not fit into the GPU's memory", _CHOOSE.format("model")) from None
    except Exception as error:  # as for the tokenizer
        raise ModelError(f"The model in {folder} cannot be loaded ({_reason(error)})", _COPY) from error
    if found["missing_keys"]:  # they would be random
        missing = sorted(found["missing_keys"])
        raise ModelError(f"The model in {folder} lacks {len(missing)} of its weights, {missing[0]} for one", _COPY)
    if vocabulary > model.get_input_embeddings().num_embeddings:  # the adapter's tokenizer has tokens of its own
        model.resize_token_embeddings(vocabulary)
    return model


def _placing(folder: Path) -> dict[str, Any]:
    """Where the weights go, and as what: 4-bit on a CUDA GPU, as they are stored elsewhere."""
    import torch

    if not torch.cuda.is_available():
        return {"dtype": "auto", "device_map": {"": "mps" if torch.backends.mps.is_available() else "cpu"}}
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    placing = {"dtype": dtype, "device_map": {"": 0}}
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if find_spec("bitsandbytes") and "quantization_config" not in stored:
        from transformers import BitsAndBytesConfig

        placing["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    return placing


def _with_adapter(model: Any, adapter: Path) -> Any:
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of no use to a user
            warnings.filterwarnings("error", message="Found missing adapter keys")  # they would do nothing
            return PeftModel.from_pretrained(model, str(adapter))
    except Exception as error:  # as for the tokenizer
        mend = f"use the model that it was trained on, or {_CHOOSE.format('adapter')}"
        raise ModelError(f"The adapter in {adapter} does not fit the model ({_reason(error)})", mend) from error


def _end_tokens(tokenizer: Any, model: Any) -> list[int]:
    """Every token that ends an answer."""
    named = model.generation_config.eos_token_id
    found = {tokenizer.eos_token_id, *(named if isinstance(named, list) else [named])}
    known = tokenizer.get_vocab()
    found |= {known.get(token) for token in _TURN_ENDS}
    return sorted(token for token in found if token is not None)


def _grammar_tokens(tokenizer: Any, ends: list[int], folder: Path) -> Any:
    from llguidance.hf import from_tokenizer

    try:
        if not ends:
            raise ValueError("it has no token that ends a text")
        return from_tokenizer(tokenizer, eos_token=ends)
    except ValueError as error:
        what = f"The tokenizer of the model {folder.name} cannot be held to a grammar ({_reason(error)})"
        raise ModelError(what, _CHOOSE.format("model")) from error


def _reason(error: BaseException) -> str:
    """An error's words on one line, shortened."""
    text = (" ".join(str(error).split()) or type(error).__name__).rstrip(".:")
    return text if len(text) <= 200 else text[:200] + " …"
