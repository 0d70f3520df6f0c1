"""Finds the skills that a sentence may be about, where there are too many for the Llama to read them all."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from otto.router.encoder import shared_encoder
from otto.skill import SkillSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

EXAMPLES = 12  # of a skill, drawn once: more cost time when skills change and find hardly more


class Retriever:
    """Ranks skills by how near the sentence lies to the nearest of their examples or to their name and description."""

    def __init__(self, specs: Sequence[SkillSpec]) -> None:
        self._specs = tuple(specs)

    def nearest(self, text: str, count: int) -> list[str]:
        """The names of the `count` most likely skills, the likeliest first."""
        import numpy as np

        vectors, owners = self._known
        scores = np.full(len(self._specs), -1.0, np.float32)
        np.maximum.at(scores, owners, vectors @ shared_encoder().vector(text))
        return [self._specs[index].name for index in np.argsort(-scores, kind="stable")[:count]]

    @cached_property
    def _known(self) -> tuple[Vectors, npt.NDArray[np.int64]]:
        """float32[n, 384], and for each the number of its skill: int64[n]."""
        import numpy as np

        rng = random.Random(0)
        texts: list[str] = []
        owners: list[int] = []
        for number, spec in enumerate(self._specs):
            said = [example.text for example in spec.examples]
            own = [f"{spec.name.replace('_', ' ')}: {spec.description}", *rng.sample(said, min(EXAMPLES, len(said)))]
            texts += own
            owners += [number] * len(own)
        return shared_encoder().vectors(texts), np.array(owners, np.int64)
