"""Downloads: by https alone, of a bounded size, resumed where they broke off, kept by rename once they verify.

The standard variables hold: HTTPS_PROXY and NO_PROXY, SSL_CERT_FILE for a host with a certificate of one's own.
ACTSTUDY_MIRROR=https://HOST/FOLDER fetches all files from there instead, laid out as in data/raw.
"""

import errno
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actstudy.study import store

LIMIT = 2**28  # bytes of an official file, fetched or unpacked; the largest that are read have 248 and 155 million
SECONDS = 30  # to wait for a host
PAUSES = (1, 4, None)  # seconds after each failed try; None: give up
CHUNK = 2**20


class NotFetched(Exception):
    """Why a file was not fetched, in one line that names its address."""


def address(official: str | None, file: str) -> str | None:
    """Where a file of data/raw is fetched from: the mirror where one is set, else its official address, if any."""
    mirror = os.environ.get("ACTSTUDY_MIRROR")
    return f"{mirror.rstrip('/')}/{urllib.parse.quote(file)}" if mirror else official


def fetched(url: str, path: Path, verify: Callable[[Path], object]) -> Path:
    """The path of a file, fetched once `verify` has passed; NotFetched, or the disk's own error, says why it is not.

    What arrived before a break or a kill stays in the folder .NAME.partial beside it, from where the next try goes on.
    """
    folder = path.with_name(f".{path.name}.partial")
    part = folder / path.name
    with store.locked(folder):
        if path.is_file():  # by another process, while this one waited
            return path
        print(f"fetching {url}", file=sys.stderr, flush=True)
        for pause in PAUSES:
            if tried(url, part, verify, last=pause is None):
                break
            time.sleep(pause or 0)
        with store.replacing(path) as draft:
            part.rename(draft)
    return path


def tried(url: str, part: Path, verify: Callable[[Path], object], last: bool) -> bool:
    """Whether the file is there and verifies after one more try; NotFetched where another one would not help."""
    resumed = part.is_file()
    try:
        append(url, part)
        verify(part)
        return True
    except store.Damaged:
        part.unlink()  # where it was resumed, the first part may be to blame: once more, whole
        fault = "what arrived is not the official file"
        last |= not resumed
    except urllib.error.HTTPError as error:
        fault, last = f"{error.code} {error.reason}", last or error.code < 500
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, error.strerror, str(part)) from None
        fault = " ".join(str(getattr(error, "reason", error)).split())
    if last:
        raise NotFetched(f"{url}: {fault}")
    return False


def append(url: str, part: Path) -> None:
    """Fetch what is missing of a file; a host that cannot resume sends it whole."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "actstudy"} | ({"Range": f"bytes={have}-"} if have else {})
    opener = urllib.request.build_opener(SecureRedirects)  # reads the proxy variables
    try:
        request = urllib.request.Request(secure(url), headers=headers)  # noqa: S310  (https alone)
        response = opener.open(request, timeout=SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # nothing comes after what is there: `verify` tells whether it is whole
        raise
    with response, part.open("ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as handle:
        while chunk := response.read(CHUNK):
            handle.write(chunk)
            if handle.tell() + (response.length or 0) > LIMIT:
                part.unlink()
                raise NotFetched(f"{url}: larger than {LIMIT:,} bytes, the most that is fetched")
        if response.length:
            raise ConnectionError(f"broke off {response.length:,} bytes before its end")


def secure(url: str) -> str:
    """The address itself where it is an https one, else NotFetched."""
    if urllib.parse.urlsplit(url).scheme != "https":
        raise NotFetched(f"{url}: allowed: an https address")
    return url


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect away from https."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request that a redirect asks for."""
        return super().redirect_request(req, fp, code, msg, headers, secure(newurl))
