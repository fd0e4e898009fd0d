"""Keep the site's own small certificate authority, and the certificate of this monitor.

Keys lie in files that only root may read. The authority signs nothing but this one certificate.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from edgecloud import host as hosts
from edgecloud.host import failures, files

OPENSSL = "/usr/bin/openssl"
FOLDER = "/etc/edge-monitor/tls"
CA_KEY = f"{FOLDER}/ca.key"
CA = f"{FOLDER}/ca.crt"
KEY = f"{FOLDER}/server.key"
CERTIFICATE = f"{FOLDER}/server.crt"

_EXTENSIONS = f"{FOLDER}/server.ext"
_REQUEST = f"{FOLDER}/server.csr"
_TIMEOUT_S = 60
_DAY_S = 86400
CA_DAYS, CA_SPARE_DAYS = 3650, 400
_DAYS, _SPARE_DAYS = 365, 120
"""Sites are visited rarely, so a certificate is renewed long before its end."""


class AuthorityError(failures.WorkloadError):
    """openssl refused or is not there."""


def ensure(host: hosts.Host, names: Collection[str]) -> bool:
    """Ensure a certificate for these names and addresses. Return whether it is a new one.

    Raises:
        AuthorityError: openssl failed.
    """
    if not lasts(host, CA, CA_SPARE_DAYS) or not host.exists(CA_KEY):
        _make_authority(host)
    wanted = extensions(names)
    if files.read(host, _EXTENSIONS) == wanted and lasts(host, CERTIFICATE, _SPARE_DAYS):
        return False
    _make_certificate(host, wanted)
    return True


def extensions(names: Collection[str]) -> str:
    """Return what a certificate for these names and addresses says, as openssl reads it."""
    return (
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        f"extendedKeyUsage=serverAuth\n{alternative_names(names)}\n"
    )


def alternative_names(names: Collection[str]) -> str:
    """Return the names and addresses that a certificate is for, as openssl reads them."""
    found = [f"IP:{name}" if is_address(name) else f"DNS:{name}" for name in sorted(set(names))]
    return f"subjectAltName={','.join(found)}"


def _make_authority(host: hosts.Host) -> None:
    host.write(CA_KEY, new_key(host), mode=0o600)
    certificate = openssl(
        host,
        *("req", "-x509", "-new", "-sha256", "-key", CA_KEY, "-days", str(CA_DAYS)),
        *("-subj", "/CN=edge-monitor", "-addext", "keyUsage=critical,keyCertSign"),
    )
    host.remove(CERTIFICATE)
    host.write(CA, certificate)


def _make_certificate(host: hosts.Host, wanted: str) -> None:
    host.write(KEY, new_key(host), mode=0o600)
    # The name is not looked at; who connects checks the alternative names.
    request = openssl(host, "req", "-new", "-key", KEY, "-subj", "/CN=edge-monitor-door")
    host.write(_REQUEST, request)
    host.remove(_EXTENSIONS)
    host.write(f"{_EXTENSIONS}.new", wanted)
    certificate = openssl(
        host,
        *("x509", "-req", "-sha256", "-in", _REQUEST, "-CA", CA, "-CAkey", CA_KEY),
        *("-set_serial", f"0x{int(host.now() * 1000):x}", "-days", str(_DAYS)),
        *("-extfile", f"{_EXTENSIONS}.new"),
    )
    host.write(CERTIFICATE, certificate)
    host.remove(f"{_EXTENSIONS}.new")
    # Last, as it tells that all of it was done.
    host.write(_EXTENSIONS, wanted)


def lasts(host: hosts.Host, path: str, days: int) -> bool:
    """Return whether a certificate is there and good for some days more."""
    if not host.exists(path):
        return False
    check = (OPENSSL, "x509", "-noout", "-in", path, "-checkend", str(days * _DAY_S))
    try:
        return host.run(check, timeout_s=_TIMEOUT_S, check=False).returncode == 0
    except failures.FAILURES as error:
        raise AuthorityError(failures.explain(error, "openssl x509")) from error


def new_key(host: hosts.Host) -> str:
    """Return a new private key."""
    curve = ("-pkeyopt", "ec_paramgen_curve:P-256")
    return openssl(host, "genpkey", "-algorithm", "EC", *curve)


def openssl(host: hosts.Host, *words: str, given: str = "") -> str:
    """Return what openssl says to a text. Raises :class:`AuthorityError`."""
    try:
        ran = host.run((OPENSSL, *words), timeout_s=_TIMEOUT_S, stdin=given or None)
        return ran.stdout
    except failures.FAILURES as error:
        raise AuthorityError(failures.explain(error, f"openssl {words[0]}")) from error


def is_address(name: str) -> bool:
    """Return whether a name is an address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
