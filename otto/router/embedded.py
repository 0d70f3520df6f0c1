"""The default router: the PhraseBook first, then the two small models that check each other."""

from __future__ import annotations

from otto.router.phrases import PhraseRouter


class EmbeddedRouter(PhraseRouter):
    """For now the PhraseBook alone."""

    name = "embedded"
