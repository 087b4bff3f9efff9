"""What a page may load: its own scripts and its own style, by their hashes, and nothing else."""

import base64
import hashlib

from markupsafe import Markup


def policy(scripts: list[str], style: str) -> str:
    """The Content-Security-Policy: nothing but these scripts and this style, and no address."""
    allowed = " ".join(digest(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """A text's SHA-256 as a policy names it."""
    code = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{code}'"


def inlined(text: str, tag: str) -> Markup:
    """A script or style for the inside of its tag; ValueError if it would end the tag itself."""
    if f"</{tag}" in text.lower():
        raise ValueError(f"{tag}: got a text with </{tag}; allowed: one without")
    return Markup(text)  # noqa: S704  (files of this package and of vl-convert)
