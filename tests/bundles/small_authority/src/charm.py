"""An authority that answers every request, as the published interface has it."""

from __future__ import annotations

import json
import pathlib
import subprocess
import tempfile

import ops


class SmallAuthorityCharm(ops.CharmBase):
    """Signs by the clock of the computer that the lab runs on."""

    def __init__(self, framework):
        super().__init__(framework)
        end = self.on["certificates"]
        for event in (self.on.config_changed, end.relation_created, end.relation_changed):
            framework.observe(event, self._on_any)

    def _on_any(self, _):
        self.unit.status = ops.ActiveStatus()
        for relation in self.model.relations["certificates"]:
            asked = [
                request["certificate_signing_request"]
                for unit in relation.units
                for request in json.loads(
                    relation.data[unit].get("certificate_signing_requests", "[]")
                )
            ]
            bag = relation.data[self.app]
            known = {
                each["certificate_signing_request"]: each
                for each in json.loads(bag.get("certificates", "[]"))
            }
            given = [known.get(request) or self._signed(request) for request in asked]
            bag["certificates"] = json.dumps([each for each in given if each])

    def _signed(self, request):
        days = int(self.config["days"])
        if not days:
            return None
        with tempfile.TemporaryDirectory() as folder:
            authority(folder)
            certificate = openssl(
                folder,
                *("x509", "-req", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
                *("-days", str(days), "-copy_extensions", "copy"),
                given=request,
            )
            ca = (pathlib.Path(folder) / "ca.crt").read_text()
        return {
            "certificate_signing_request": request,
            "certificate": certificate,
            "ca": ca,
            "chain": [certificate, ca],
        }


def authority(folder):
    """Make an authority: each signature has one of its own."""
    openssl(
        folder,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=small-authority"),
    )


def openssl(folder, *words, given=""):
    """Return what openssl says."""
    return subprocess.run(
        ["openssl", *words], input=given, cwd=folder, text=True, check=True, capture_output=True
    ).stdout
