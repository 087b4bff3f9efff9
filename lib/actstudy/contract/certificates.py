"""Where the certificate of an activation is, and what it says; read without torch."""

from pathlib import Path

from actstudy.contract import code, own, own_code, store

FOLDER = store.RESULTS / "certificates"
CERTIFIED = "certified"
FINDINGS = "findings"


def digest(name: str) -> str:
    """12 hex digits of the SHA-256 of the code of a registered activation or of an import path."""
    if own.is_path(name):
        return own_code.digest(name)
    return code.digest_of(f"activation {name}")


def file_of(name: str) -> Path:
    """The JSON file of the certificate of an activation as its code is now."""
    return FOLDER / f"{own.short(name)}-{digest(name)}.json"


def state(name: str, of_code: str | None = None) -> str | None:
    """`certified`, `findings`, or None without a certificate of this code of an activation.

    name: registered, or an import path; of_code: the first hex digits of its code's hash, as in a
    run's spec; None: those of the code as it is now.
    """
    pattern = f"{own.short(name)}-{of_code or digest(name)}*.json"
    for file in sorted(FOLDER.glob(pattern)):
        content = store.read_note(file, {})
        if isinstance(content, dict) and content.get("activation") == name:
            outcome = content.get("outcome")
            return outcome if outcome in (CERTIFIED, FINDINGS) else None
    return None
