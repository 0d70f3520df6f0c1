"""The base and its adapter, as a stage trains them: 4-bit on a GPU, as they are stored elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from finetune.config import AnyStage
from finetune.data.reflect import TOKENS
from finetune.estimate import Memory, Sizes, gib, memory
from finetune.rows import TrainingRow
from finetune.stages import processes
from otto.errors import MissingExtra, ModelError, UsageError
from otto.prompt import check_pairing, family_of
from otto.promptformat import PromptFormat
from otto.router.loading import mend_cpu_quantisation

PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "trl")
TURN_ENDS = {"llama-3": "<|eot_id|>", "chatml": "<|im_end|>"}  # what ends an answer, where that is not the end of text


def require_packages() -> None:
    """Raises MissingExtra where a package of the stages is not installed, UsageError where Python is too old for them."""
    import sys

    if sys.version_info < (3, 11):
        raise UsageError(f"The stages need Python 3.11 and this is {sys.version_info.major}.{sys.version_info.minor}", "run Otto with a newer one")
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra(package, "finetune")


def on_gpu(settings: AnyStage) -> bool:
    """Whether the stage trains on a GPU. Raises UsageError where one is asked for and there is none."""
    import torch

    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device=cuda and there is no GPU that torch can use", "leave it out, or give device=cpu")
    return settings.device != "cpu" and torch.cuda.is_available()


def is_quantised(settings: AnyStage, gpu: bool) -> bool:
    """Whether the base is held in 4 bits. Raises MissingExtra where bitsandbytes is not installed."""
    if not (settings.quantise and gpu):
        return False
    if find_spec("bitsandbytes") is None:
        raise MissingExtra("bitsandbytes", "finetune")
    return True


def check_memory(settings: AnyStage, gpu: bool, quantised: bool) -> Memory:
    """The estimate. Raises ModelError where the weights alone are more than there is, before minutes go into loading them."""
    needed = memory(settings, Sizes.read(settings.base), quantised, gpu)
    there, where = free_memory(gpu)
    if needed.weights + needed.adapter > there:
        mend = "close what fills it, or take a smaller base" if gpu else "train it where there is a GPU, or take a smaller base"
        raise ModelError(f"{settings.base.name} needs about {gib(needed.total)} and {where} has {gib(there)}", mend)
    return needed


def prepare(settings: AnyStage) -> tuple[bool, bool]:
    """Whether the stage trains on a GPU, and whether the base is quantised there. Raises OttoError where the machine or the adapter does not do."""
    check_adapter(settings)
    gpu = on_gpu(settings)
    quantised = is_quantised(settings, gpu)
    check_memory(settings, gpu, quantised)
    return gpu, quantised


def free_memory(gpu: bool) -> tuple[float, str]:
    """The bytes that a process may fill, and of what, in words."""
    if gpu:
        import torch

        return torch.cuda.mem_get_info(_device(gpu))[0], "the GPU"
    import psutil

    return psutil.virtual_memory().available / processes.on_this_machine(), "this machine, without a GPU,"


def family(settings: AnyStage) -> str:
    """The prompt family: that of the settings, which must be the model's where the model tells. Raises UsageError."""
    if not settings.family:
        return family_of(settings.base)
    try:
        known = family_of(settings.base)
    except UsageError:
        return settings.family
    if known != settings.family:
        check_pairing(settings.family, settings.base)
    return settings.family


def load_tokenizer(settings: AnyStage, prompts: str) -> Any:
    """The tokenizer: the adapter's where it has one. It pads, and knows the prompt family that goes with it."""
    from transformers import AutoTokenizer

    has_own = settings.adapter is not None and (settings.adapter / "tokenizer.json").is_file()
    folder = settings.adapter if has_own else settings.base
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # noqa: BLE001  a damaged file fails in as many ways as it has formats
        raise ModelError(f"The tokenizer in {folder} cannot be loaded ({_reason(error)})", "copy its files anew") from None
    if tokenizer.eos_token is None:
        raise ModelError(f"The tokenizer in {folder} has no token that ends a text", "name it in its tokenizer_config.json as eos_token")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    tokenizer.init_kwargs.update(PromptFormat.of(prompts, tokenizer.get_vocab()).to_json())  # the router reads it in tokenizer_config.json
    return tokenizer


def end_token(tokenizer: Any, prompts: str) -> int:
    """The token that an answer ends with."""
    turn_end = TURN_ENDS.get(prompts)
    return int(tokenizer.get_vocab().get(turn_end, tokenizer.eos_token_id))


def add_thinking_tokens(tokenizer: Any, rows: Sequence[TrainingRow]) -> list[int]:
    """Make the marks of reflection special tokens where the rows have them; the ids of those that are new."""
    if not any(TOKENS[0] in row.answer for row in rows):
        return []
    new = [token for token in TOKENS if token not in tokenizer.get_vocab()]
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)}, replace_extra_special_tokens=False)
    return list(tokenizer.convert_tokens_to_ids(new))


def load_base(settings: AnyStage, gpu: bool, quantised: bool) -> Any:
    """The base's weights. Raises ModelError."""
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {"dtype": torch.bfloat16 if gpu else torch.float32}
    if not processes.is_split():  # otherwise the trainer sends each process its part
        options["device_map"] = {"": _device(gpu)}
    if quantised:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_quant_storage=torch.bfloat16 if processes.is_split() else torch.uint8,  # what is split must be of one type
        )  # fmt: skip
    try:
        model = AutoModelForCausalLM.from_pretrained(settings.base, local_files_only=True, **options)
    except torch.OutOfMemoryError:
        raise ModelError(f"{settings.base.name} does not fit into the GPU's memory", "take a smaller base, or quantise=true") from None
    except Exception as error:  # noqa: BLE001  as for the tokenizer
        raise ModelError(f"The base in {settings.base} cannot be loaded ({_reason(error)})", "copy its files anew") from None
    mend_cpu_quantisation(model)
    return model


def with_adapter(model: Any, settings: AnyStage, tokenizer: Any, new_tokens: list[int]) -> Any:
    """The model with the adapter that it goes on from, or with a new one. Raises ModelError where the adapter is of another base."""
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed

    set_seed(settings.training.seed)  # an adapter begins with random numbers
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))  # before the adapter is loaded, which holds the new rows
    if settings.adapter is not None:
        try:
            return PeftModel.from_pretrained(model, str(settings.adapter), is_trainable=True)
        except Exception as error:  # noqa: BLE001  as for the tokenizer
            mend = "name the base that it was trained on, with base=FOLDER"
            raise ModelError(f"The adapter in {settings.adapter} does not fit {settings.base.name} ({_reason(error)})", mend) from None
    lora = LoraConfig(
        r=settings.lora.r, lora_alpha=settings.lora.alpha, lora_dropout=settings.lora.dropout, target_modules=list(settings.lora.targets),
        bias="none", task_type="CAUSAL_LM",
    )  # fmt: skip
    if new_tokens:
        lora.trainable_token_indices = {"embed_tokens": new_tokens}
        if not model.config.tie_word_embeddings:  # where they are one matrix, PEFT adapts the rows in both places
            lora.modules_to_save = ["lm_head"]
    try:
        return get_peft_model(model, lora)
    except ValueError as error:
        raise ModelError(f"The adapter cannot be put on {settings.base.name} ({_reason(error)})", "name its matrices with lora.targets=[…]") from None


def check_adapter(settings: AnyStage) -> None:
    """Raises ModelError where the adapter to go on from is not there, or is of another base."""
    if settings.adapter is None:
        return
    adapter, base = settings.adapter, settings.base
    try:
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"There is no adapter in {adapter}", "name its folder with adapter=FOLDER; a stage leaves it in OUT/adapter") from None
    trained_on = Path(str(config.get("base_model_name_or_path") or base)).name
    if trained_on != base.resolve().name and trained_on != base.name:
        raise ModelError(f"The adapter in {adapter} was trained on {trained_on}, not on {base.name}", "name that base with base=FOLDER")


def _device(gpu: bool) -> str | int:
    return int(os.environ.get("LOCAL_RANK", 0)) if gpu else "cpu"


def _reason(error: BaseException) -> str:
    text = (" ".join(str(error).split()) or type(error).__name__).rstrip(".:")
    return text if len(text) <= 200 else text[:200] + " …"
