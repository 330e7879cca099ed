"""Facts from outside in words: what a connected system said, and what came of it."""

from django.utils.translation import gettext_lazy as _

from oms.common.codebook import Codebook

# Codes of what came of a fact, beside its state; each app adds those of its facts.
OUTCOMES = Codebook()
OUTCOMES.add({"read_again": _("read again")})

_KINDS: dict[str, Codebook] = {}


def kinds_of(topic: str) -> Codebook:
    """The words for kinds of facts of a topic (`models.Topic`)."""
    if topic not in _KINDS:
        _KINDS[topic] = Codebook()
        _KINDS[topic].add({"unreadable": _("Not understood")})
    return _KINDS[topic]
