"""Seals and opens provider keys. The only user of the cipher; keys come from outside."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealBroken(Exception):
    """A sealed key cannot be opened with the keys we hold."""

    def __init__(self) -> None:
        super().__init__(
            "A provider key cannot be opened: SEAL_KEY is not the one it was sealed with. "
            "Set the right SEAL_KEY (old ones may follow after a comma), or enter the key again."
        )


def new_key() -> str:
    return Fernet.generate_key().decode()


def seal(plain: str, *, keys: list[str]) -> str:
    """Encrypt with the first key; an empty text stays empty."""
    return _cipher(keys).encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str, *, keys: list[str]) -> str:
    """Decrypt with whichever key fits. Raises SealBroken."""
    if not sealed:
        return ""
    try:
        return _cipher(keys).decrypt(sealed.encode()).decode()
    except InvalidToken as reason:
        raise SealBroken from reason


def _cipher(keys: list[str]) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys])
