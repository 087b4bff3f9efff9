"""A command of the user's own that hears of a study: at its first failed run, and at its end.

ACTSTUDY_NOTIFY='mail -s "$ACTSTUDY_TEXT" me@example.org </dev/null' actstudy run mine.yaml

The command is the shell's; its environment has ACTSTUDY_EVENT (failure, finished, unfinished,
stopped), ACTSTUDY_STUDY and ACTSTUDY_TEXT, how many runs have completed and failed. It changes
nothing of the study: one that fails or takes longer than SECONDS is named, and that is all.
"""

import os
import subprocess
import sys

from actstudy.analysis.watch import Watch
from actstudy.contract.schema import FAILED

VARIABLE = "ACTSTUDY_NOTIFY"
SECONDS = 30  # for the command to end
FAILURE = "failure"
FINISHED = "finished"
UNFINISHED = "unfinished"
STOPPED = "stopped"


class Notifier:
    """Calls the command of ACTSTUDY_NOTIFY, if there is one."""

    def __init__(self, watch: Watch) -> None:
        """Runs that have failed before are no news."""
        self._watch = watch
        self._command = os.environ.get(VARIABLE, "")
        self._failed_before = self._failed()
        self._has_said = False

    def _failed(self) -> set[str]:
        return {run for run, state in self._watch.states.items() if state in FAILED}

    def look(self) -> None:
        """Call the command if a run has failed for the first time."""
        if self._command and not self._has_said and self._failed() - self._failed_before:
            self._has_said = True
            self._call(FAILURE)

    def end(self, status: int, signal_number: int) -> None:
        """Call the command at the end; status: of snakemake, signal_number: what stopped it."""
        if signal_number:
            self._call(STOPPED)
        else:
            self._call(UNFINISHED if status else FINISHED)

    def _call(self, event: str) -> None:
        if not self._command:
            return
        study = self._watch.study.name
        text = f"study {study}: {event}: {self._watch.counts()}"
        words = {"ACTSTUDY_EVENT": event, "ACTSTUDY_STUDY": study, "ACTSTUDY_TEXT": text}
        try:
            done = subprocess.run(
                ["/bin/sh", "-c", self._command],
                env={**os.environ, **words},
                stdin=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
            fault = f"exit status {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            fault = f"still running after {SECONDS} s"
        except OSError as error:
            fault = str(error)
        if fault:
            print(f"actstudy: {VARIABLE}: {fault}", file=sys.stderr, flush=True)
