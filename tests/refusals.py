"""Bad input: refused in one line."""

import pytest

from actstudy.contract.errors import StudyError


def refusal(call, *parts):
    """Checks that a call is refused in one line that holds each part; returns the line."""
    with pytest.raises(StudyError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line, line
    return line
