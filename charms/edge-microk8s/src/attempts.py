"""Take the steps of a hook; what fails now and then is noted, said, and tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable

import upkeep
from edgecloud.host import failures

logger = logging.getLogger(__name__)

EXPECTED = (failures.WorkloadError, OSError)
"""What fails now and then on a small machine."""


class Attempts:
    """The steps that were tried in this hook, and what came in their way."""

    def __init__(self) -> None:
        self.unfit = ""
        """What this machine lacks; the operator has to mend it."""
        self.troubles: list[str] = []
        """What failed and will be tried again."""

    def make(self, step: Callable[..., None], *arguments: object) -> bool:
        """Take a step. Return whether it went well; failing does not fail the hook."""
        try:
            step(*arguments)
        except upkeep.NotFitError as e:
            self.unfit = str(e)
            return False
        except EXPECTED as e:
            logger.warning("%s: %s", step.__name__.strip("_").replace("_", " "), e)
            self.troubles.append(_one_line(str(e)))
            return False
        return True


def _one_line(text: str) -> str:
    """Return what a command said in a line: the first, and the last of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " … ".join(dict.fromkeys((*lines[:1], *lines[-1:])))
