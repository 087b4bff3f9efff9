"""Where the certificate of an activation is, and what it says; read without torch."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from actstudy.contract import code, own, own_code, registry, store

FOLDER = store.RESULTS / "certificates"
CERTIFIED = "certified"
FINDINGS = "findings"
CHECKS = 2  # version of certificate/'s checks: raise it if one is added or finds more
OTHER_CHECKS = "by other checks"
Arguments = Mapping[str, float]


def digest(name: str) -> str:
    """12 hex digits of the SHA-256 of the code of a registered activation or of an import path."""
    if own.is_path(name):
        return own_code.digest(name)
    return code.digest_of(f"activation {name}")


def file_of(name: str, args: Arguments | None = None) -> Path:
    """The JSON file of the certificate of an activation as its code is now."""
    return file_named(name, digest(name), args or {})


def file_named(name: str, of_code: str, args: Arguments) -> Path:
    """The JSON file of the certificate of some code of an activation with some arguments."""
    suffix = ""
    if args:
        content = json.dumps(dict(args), sort_keys=True)
        suffix = f"-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    return FOLDER / f"{own.short(name)}-{of_code}{suffix}.json"


def other_than_defaults(name: str, args: Arguments) -> dict[str, float]:
    """Those of some arguments that an activation has and whose value is not its default."""
    defaults = registry.activation_arguments(name)
    return {
        key: args[key] for key in sorted(args) if key in defaults and args[key] != defaults[key]
    }


def scope(args: Arguments) -> dict[str, Any]:
    """What a certificate of now holds for: arguments other than defaults, torch, its checks.

    Without torch on this machine any version of it will do.
    """
    torch = {"torch": torch_version()} if torch_version() else {}
    return {"arguments": dict(args), **torch, "checks_version": CHECKS}


@cache
def torch_version() -> str:
    """The installed version of torch, which is not imported for it; empty if there is none."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def state(name: str, of_code: str | None = None, args: Arguments | None = None) -> str | None:
    """`certified`, `findings`, or None without a certificate that holds for an activation.

    name: registered, or an import path; of_code: the first hex digits of its code's hash, as in a
    run's spec, None: those of the code as it is now; args: those other than its defaults.
    """
    for content in _contents(name, of_code):
        if not _differing(content, args or {}):
            outcome = content.get("outcome")
            return outcome if outcome in (CERTIFIED, FINDINGS) else None
    return None


def otherwise(name: str, of_code: str | None = None, args: Arguments | None = None) -> str:
    """What an activation is certified for instead, `for torch 2.4.0`; empty if for nothing.

    Of several certificates that of the same arguments counts.
    """
    words_for_others = ""
    for content in _contents(name, of_code):
        keys = _differing(content, args or {})
        if content.get("outcome") == CERTIFIED and "arguments" not in keys:
            by_key = {"torch": f"for torch {content.get('torch')}", "checks_version": OTHER_CHECKS}
            return " and ".join(by_key[key] for key in keys)
        if content.get("outcome") == CERTIFIED:
            words_for_others = "for other arguments"
    return words_for_others


def _contents(name: str, of_code: str | None) -> Iterator[dict[str, Any]]:
    """The certificates of some code of an activation."""
    for file in sorted(FOLDER.glob(f"{own.short(name)}-{of_code or digest(name)}*.json")):
        content = store.read_note(file, {})
        if isinstance(content, dict) and content.get("activation") == name:
            yield content


def _differing(content: Mapping[str, Any], args: Arguments) -> list[str]:
    """The keys of `scope` in which a certificate is of something else."""
    return [key for key, value in scope(args).items() if content.get(key) != value]


def words(args: Arguments) -> str:
    """Arguments as a flag takes them: `{p: 0.5}`."""
    return f"{{{', '.join(f'{key}: {value}' for key, value in args.items())}}}"
