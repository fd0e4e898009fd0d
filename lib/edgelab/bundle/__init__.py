"""Real Juju bundles: what they declare, and what Juju would refuse in them.

:func:`read` is all that a caller needs: a :class:`Bundle` that comes back is one that Juju takes.
"""

from edgelab.bundle.declared import (
    Application,
    Bundle,
    End,
    Machine,
    Offer,
    Placement,
    Relation,
    Saas,
    StorageDirective,
)
from edgelab.bundle.placement import assign
from edgelab.bundle.reading import examine, read
from edgelab.bundle.source import BundleError, Place, Problem

__all__ = [
    "Application",
    "Bundle",
    "BundleError",
    "End",
    "Machine",
    "Offer",
    "Place",
    "Placement",
    "Problem",
    "Relation",
    "Saas",
    "StorageDirective",
    "assign",
    "examine",
    "read",
]
