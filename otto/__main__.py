"""`python -m otto …` is `otto …`."""

from __future__ import annotations

import sys

from otto.cli import main

sys.exit(main())
