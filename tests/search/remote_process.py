"""Importing it shortens leases, in a writer that is a process of its own and may be killed."""

from __future__ import annotations

from rowspace.search.remote import home
from rowspace.search.remote.home import Home as Home
from rowspace.storage import lease
from rowspace.storage.objects import Objects


class BriefLease(lease.Lease):
    """Lasts a second."""

    def __init__(self, objects: Objects, name: str, timeout: float) -> None:
        super().__init__(objects, name, timeout, seconds=1.0)


setattr(home, "Lease", BriefLease)  # noqa: B010
