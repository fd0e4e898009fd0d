"""A Juju model in one process: real charm code, several units, on simulated Pis.

:class:`Model` does what an operator does with ``juju``; :class:`~edgelab.model.engine.Engine`
runs the hooks that follow from it.
"""

from edgelab.model.checks import CheckError
from edgelab.model.engine import NotSettledError
from edgelab.model.model import Model

__all__ = ["CheckError", "Model", "NotSettledError"]
