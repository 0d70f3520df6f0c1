"""`otto press`: Enter, for the Otto that listens in another window or as a service."""

from __future__ import annotations


def press() -> None:
    """Open the ears of the Otto that listens, as its hot key does: bind this to a key in the settings of your desktop."""
    from otto.config import load_settings
    from otto.hotkey import press as ring

    ring(load_settings().paths.data)
