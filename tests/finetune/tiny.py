"""The smallest Llama that the training makes, and what it learns from."""

from __future__ import annotations

from finetune.embedded.rows import rows_of_examples
from finetune.embedded.sample import Source
from finetune.embedded.train import LlamaSettings
from tests.router import toy

SPECS = tuple(toy.skills())
SOURCE = Source("toy", SPECS, tuple(rows_of_examples(SPECS)))
SETTINGS = LlamaSettings(
    vocabulary=320,
    hidden=32,
    feed_forward=64,
    layers=2,
    heads=2,
    key_value_heads=1,
    context=1024,
    steps=26,
    without_list=4,
    step_size=4,
    learning_rate=1e-2,
    warmup=4,
    save_every=4,
)
