"""An activation's certificate: the outcome of every check and measure, with versions."""

import logging
import math
import platform
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch

import actstudy
from actstudy.certificate.checks import CHECKS, SHAPE, Check
from actstudy.certificate.measures import MEASURES, Measure
from actstudy.certificate.outcome import Finding, NotMeasured
from actstudy.certificate.subject import Subject, subject_of
from actstudy.contract import certificates, own, own_import

PASSED = "passed"
MEASURED = "measured"
FINDING = "finding"
NOT_MEASURED = "not measured"
MEASURE_FIX = "no error for any size, any x (NaN too) and any number of calls"


def certify(name: str, args: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The certificate of a registered activation or of an import path, ready for JSON.

    args: arguments other than its defaults. StudyError if there is no such activation or if it
    does not take one tensor.
    """
    with quiet():
        subject = subject_of(name, args)
        checks = checks_of(subject)
        is_comparable = checks[SHAPE]["outcome"] == PASSED
        measures = measures_of(subject) if is_comparable else {}
    has_findings = bool(findings(checks, measures))
    return {
        "activation": subject.name,
        "short": own.short(subject.name),
        "digest": certificates.digest(subject.name),
        **certificates.scope(args or {}),
        "outcome": certificates.FINDINGS if has_findings else certificates.CERTIFIED,
        "checks": checks,
        "measures": measures,
        "versions": _versions(),
    }


def findings(checks: Mapping[str, Any], measures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Check or measure -> its row, of those that are findings: they alone decide the outcome."""
    rows = {**checks, **measures}
    return {name: row for name, row in rows.items() if row["outcome"] == FINDING}


def checks_of(subject: Subject) -> dict[str, dict[str, str]]:
    """Check -> its outcome, text and fix; a check that needs one with a finding is not measured."""
    rows: dict[str, dict[str, str]] = {}
    for name, check in CHECKS.items():
        broken = [need for need in check.needs if rows[need]["outcome"] == FINDING]
        if broken:
            text = f"first fix {' and '.join(broken)}"
            rows[name] = {"outcome": NOT_MEASURED, "text": text}
        else:
            rows[name] = _checked(check, subject)
    return rows


def _checked(check: Check, subject: Subject) -> dict[str, str]:
    """The outcome of a check; whatever the activation raises in it is a finding."""
    try:
        finding = check.run(subject)
    except NotMeasured as reason:
        return {"outcome": NOT_MEASURED, "text": str(reason)}
    except Exception as error:
        finding = Finding(own_import.blame(error), check.fix)
    if finding is None:
        return {"outcome": PASSED, "text": ""}
    text = finding.text.replace(_folder(subject.name), "")
    return {"outcome": FINDING, "text": text, "fix": finding.fix}


def _folder(name: str) -> str:
    """The folder of someone's own activation with a slash, which no reader needs."""
    folder = own.find(name).file.parent if own.is_path(name) else certificates.FOLDER
    return f"{folder}/"


def measures_of(subject: Subject, without: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Measure -> its text and values; without: those that are left out."""
    names = [name for name in MEASURES if name not in without]
    return {name: _measured(MEASURES[name], subject) for name in names}


def _measured(measure: Measure, subject: Subject) -> dict[str, Any]:
    """The reading of a measure; an error in the activation's own code is a finding."""
    try:
        reading = measure.run(subject)
    except NotMeasured as reason:
        return _unread(NOT_MEASURED, str(reason))
    except Exception as error:
        text = own_import.blame(error)
        is_memory = isinstance(error, torch.cuda.OutOfMemoryError | MemoryError)
        if own_import.place_of(error) and not is_memory:
            return {**_unread(FINDING, text.replace(_folder(subject.name), "")), "fix": MEASURE_FIX}
        return _unread(NOT_MEASURED, text)
    return {"outcome": MEASURED, "text": reading.text, "values": _for_json(reading.values)}


def _unread(outcome: str, text: str) -> dict[str, Any]:
    """The row of a measure without a reading; text: why there is none."""
    return {"outcome": outcome, "text": text, "values": {}}


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log of torch while the block runs: what matters is a finding.

    What the activation prints goes to stderr, as stdout is the certificate's.
    """
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.ERROR)
        try:
            yield
        finally:
            logging.disable(before)


def _for_json(value: Any) -> Any:
    """The value with infinity and NaN as text, which JSON does not have as numbers."""
    if isinstance(value, dict):
        return {key: _for_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_for_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _versions() -> dict[str, str | None]:
    """Versions of what was used, and the machine that measured."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "actstudy": actstudy.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
        "gpu": gpu,
    }
