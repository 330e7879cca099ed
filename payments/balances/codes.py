"""The codes of gift cards: secrets, of which only a digest is kept."""

import hashlib
import secrets

# Without letters and digits that are taken for one another. 16 of them are 80 bits: nobody finds one by trying.
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 16


def new_code() -> str:
    """A code that nobody can guess, in groups of four."""
    letters = "".join(secrets.choice(_ALPHABET) for _letter in range(_LENGTH))
    return "-".join(letters[place : place + 4] for place in range(0, _LENGTH, 4))


def normal_form(code: str) -> str:
    """The code as it is compared: without hyphens and spaces, in capitals."""
    return "".join(letter for letter in code.upper() if letter not in "- ")


def digest(code: str) -> str:
    """What is kept of a code: the same for all ways to write it. Codes are random, so no key is needed to hide them."""
    return hashlib.sha256(normal_form(code).encode("utf-8", "surrogatepass")).hexdigest()
