"""Words for what is stored as codes: they are looked up when they are shown, in the reader's language."""

from collections.abc import Mapping
from typing import Any


class Codebook:
    """The words for one kind of codes; each app adds those of its own. What people typed is no code and stays."""

    def __init__(self) -> None:
        self._words: dict[str, Any] = {}

    def add(self, words: Mapping[str, Any]) -> None:
        """Say how these codes are called, by code: lazy texts, or names that are the same in every language."""
        self._words.update(words)

    def word(self, text: str) -> str:
        """The word for a code, in the active language; the text itself where it is none that is known."""
        return str(self._words.get(text, text))


# Who did something and is no person: stages of the pipeline, by name, and others, by code.
ACTORS = Codebook()
