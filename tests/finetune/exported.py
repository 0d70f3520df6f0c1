"""Small random models and tokenizers of the kinds that are exported, and llama.cpp to run what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

SENTENCES = [
    "set a timer for 12 minutes", "What's the weather in São Paulo?", "remind me at 7:30 to call mum", "volume to 50%, please!", "Grüße aus Zürich — it's 3°",
    "play 'Hey Jude' by the Beatles", "no I was talking to my sister", "notes(action=\"add\", note=\"buy milk\")", "timer(duration=\"12 minutes\")",
    "open firefox and then close it again", "1234567890 is a long number", "日本語のテキスト", "emoji 🙂 too", "tabs\tand  two spaces", "UPPER lower MiXeD",
]  # fmt: skip
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"  # of Meta-Llama-3's tokenizer.json
TEKKEN = (  # of Mistral-Nemo's tokenizer.json
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer(kind: str) -> Any:
    """A transformers tokenizer: "digits" (SmolLM), "gpt-2", "llama-3", "tekken" merge bytes; "pieces" (Llama 2), "pieces first" (later Mistrals) merge letters."""
    from transformers import PreTrainedTokenizerFast

    inner = _pieces(kind) if kind.startswith("pieces") else _bytes(kind)
    unknown = {"unk_token": "<unk>"} if kind.startswith("pieces") else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", **unknown)


def _bytes(kind: str) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    cut = {
        "digits": [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "gpt-2": [pre_tokenizers.ByteLevel(add_prefix_space=False)],
        "llama-3": [pre_tokenizers.Split(Regex(LLAMA_3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
        "tekken": [pre_tokenizers.Split(Regex(TEKKEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)],
    }[kind]
    inner = Tokenizer(models.BPE(ignore_merges=kind in ("llama-3", "tekken")))
    inner.pre_tokenizer = cut[0] if len(cut) == 1 else pre_tokenizers.Sequence(cut)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    inner.train_from_iterator(SENTENCES, trainer)
    return inner


def _pieces(kind: str) -> Any:
    """As transformers converts a SentencePiece model: byte tokens, and every pair of pieces that makes a piece is a merge."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    texts = ["▁" + text.replace(" ", "▁") for text in SENTENCES]
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    learner.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=220, show_progress=False))
    letters = sorted({letter for text in texts for letter in text})
    by_number = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    longer = [piece for piece, _ in by_number if len(piece) > 1]
    order = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *longer, *letters]
    vocabulary = {piece: number for number, piece in enumerate(order)}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in longer
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if kind == "pieces":
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *([decoders.Strip(" ", 1, 0)] if kind == "pieces" else [])]
    )
    inner.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")])
    return inner


def save_model(folder: Path, kind: str = "digits", architecture: str = "llama", seed: int = 1, **sizes: Any) -> Path:
    """A random model with larger weights than usual, so that its logits differ from each other."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    made = tokenizer(kind)
    given: dict[str, Any] = {
        "vocab_size": len(made), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 512, "bos_token_id": made.bos_token_id, "eos_token_id": made.eos_token_id, "initializer_range": 0.15,
    }  # fmt: skip
    torch.manual_seed(seed)
    model: Any = LlamaForCausalLM(LlamaConfig(**given | sizes)) if architecture == "llama" else MistralForCausalLM(MistralConfig(**given | sizes))
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:  # norms of one and biases of zero would hide a place that was mixed up
            torch.nn.init.normal_(parameter, 1.0 if "norm" in name else 0.0, 0.3)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


class LlamaCpp:
    """llama.cpp with a GGUF, in full precision, and its server on loopback."""

    def __init__(self, file: Path, context: int = 512) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
        params.warmup, params.verbosity = False, -1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # more of them wait for each other where others work too
        params.cache_type_k = params.cache_type_v = 0  # float32, and so is attention without its flash variant:
        params.flash_attn_type = 0  # in halves, as is usual, the near ties of random models fall otherwise
        self.server = xllamacpp.Server(params)
        self.client = httpx.Client(base_url=self.server.listening_address, timeout=60)
        self.end = self.tokens("</s>")[0]

    def tokens(self, text: str) -> list[int]:
        given = {"content": text, "add_special": True, "parse_special": True}
        return list(self.client.post("/tokenize", json=given).json()["tokens"])

    def writes(self, prompt: str, most: int = 16) -> list[int]:
        """The tokens that it writes behind a prompt, greedily, without what ends them."""
        asked = {"prompt": prompt, "n_predict": most, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        said = self.client.post("/completion", json=asked).json()
        return [token for token in said["tokens"] if token != self.end]

    def props(self) -> dict[str, Any]:
        return dict(self.client.get("/props").json())

    def chat(self, messages: Sequence[dict[str, str]], most: int = 16) -> str:
        """The text of the prompt that the server makes of messages."""
        return str(self.client.post("/apply-template", json={"messages": list(messages)}).json()["prompt"])


def greedy(folder: Path, prompts: Sequence[str], most: int = 16) -> list[list[int]]:
    """The tokens that transformers writes behind each prompt in float32, without what ends them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    known, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    said = []
    for prompt in prompts:
        ids = known(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, pad_token_id=known.eos_token_id)
        said.append([token for token in out[0, ids.shape[1] :].tolist() if token != known.eos_token_id])
    return said
