"""The commands that the page about a model's versions shows, to be run word for word."""

from __future__ import annotations

import re
import shlex

from include.demo.local_airflow import REPOSITORY

PAGE = (REPOSITORY / "include" / "pipelines" / "VERSIONS.md").read_text()


def command(beginning: str) -> list[str]:
    """Return the words of the page's only command that begins so, without ``airflow``."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    shown = [shlex.split(block.replace("\\\n", " ")) for block in blocks]
    (words,) = (words for words in shown if words[: len(beginning.split())] == beginning.split())
    return words[1:]


def with_options(words: list[str], **options: str) -> list[str]:
    """Give options of a command other values."""
    changed = list(words)
    for name, value in options.items():
        changed[changed.index(f"--{name.replace('_', '-')}") + 1] = value
    return changed
