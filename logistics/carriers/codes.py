"""What protocols call our carriers: rows that staff keep; elsewhere our own code is theirs too."""

from collections.abc import Mapping

from logistics.carriers import words


def theirs(protocol: str) -> Mapping[str, str]:
    """The protocol's codes by ours, where they differ."""
    return words.tables().theirs(protocol)


def ours(protocol: str) -> Mapping[str, str]:
    """Our codes by the protocol's, where they differ."""
    return words.tables().ours(protocol)
