"""How a command can fail, and the sentence that says so in the command's own words."""

from __future__ import annotations

import subprocess


class WorkloadError(Exception):
    """What went wrong at the boundary to a workload, in words fit for an operator.

    Every driver and every module that drives a workload raises its own kind of it.
    """


FAILURES = (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError)
"""What :meth:`edgecloud.host.Host.run` raises."""

_LONGEST = 600


def explain(error: Exception, what: str) -> str:
    """Return why a command failed, for the message of a driver's own exception.

    Args:
        error: one of :data:`FAILURES`.
        what: the command in a word or two, such as ``snap install``.
    """
    if isinstance(error, subprocess.TimeoutExpired):
        return f"{what} took longer than {error.timeout:g} s"
    if isinstance(error, subprocess.CalledProcessError):
        return f"{what} failed: {said(error) or f'exit code {error.returncode}'}"
    return f"{what} could not be run: {error}"


def said(error: subprocess.CalledProcessError) -> str:
    """Return what a failed command printed, its complaint before its output, cut to fit a log."""
    texts = (str(text or "").strip() for text in (error.stderr, error.stdout))
    return next((text for text in texts if text), "")[-_LONGEST:]
