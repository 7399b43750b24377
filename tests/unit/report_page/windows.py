"""The windows that the pages are looked at in: colours and width in pixels."""

from __future__ import annotations

WINDOWS = {"light": ("light", 1000), "dark": ("dark", 1000), "phone": ("light", 390)}
