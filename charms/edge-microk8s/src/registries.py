"""Where containerd pulls images from: mirrors, their certificates, names and passwords, proxies.

Everything is reversible: what an option no longer asks for is taken back, what somebody else
wrote stays, and what was replaced is put back as it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import urllib.parse
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from edgecloud import host
from edgecloud.host import failures, files

ARGS = "/var/snap/microk8s/current/args"
FOLDER = f"{ARGS}/certs.d"
TEMPLATE = f"{ARGS}/containerd-template.toml"
STATE = f"{ARGS}/edge-microk8s-registries.json"
_DEFAULTS = "/snap/microk8s/current/default-args"

SECRET_KEY = "credentials"
"""The one key of the user's secret."""

_NOTICE = "# Written by the charm edge-microk8s: option registries."
_BEGIN = "# BEGIN edge-microk8s: registry-credentials"
_END = "# END edge-microk8s"
_KEYS = {"host", "mirrors", "fallback", "skip-verify", "ca"}
_SECRETS = {"username", "password", "auth", "token", "identitytoken", "credentials", "user"}
_HOST = re.compile(r"(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?")
_UPSTREAM = {"docker.io": "https://registry-1.docker.io"}


class RegistriesError(failures.WorkloadError):
    """The option or the secret is wrong; never says what the secret holds."""


@dataclasses.dataclass(frozen=True)
class Registry:
    """Where the images of one registry come from."""

    host: str
    """As image names have it."""
    mirrors: tuple[str, ...] = ()
    fallback: bool = True
    """Whether to ask the registry itself when no mirror has an image."""
    skip_verify: bool = False
    ca: str = ""
    """A certificate in PEM form."""


@dataclasses.dataclass(frozen=True)
class Credential:
    """A name and password for a registry or a mirror."""

    host: str
    username: str
    password: str = dataclasses.field(repr=False)


# --- reading the options ------------------------------------------------------------------------


def parse(text: str) -> tuple[Registry, ...]:
    """Return what the option ``registries`` asks for.

    Raises:
        RegistriesError: naming every problem at once.
    """
    entries = _entries(text)
    problems = [problem for entry in entries for problem in _problems(entry)]
    names = [str(entry.get("host")) for entry in entries]
    problems += [f"{name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise RegistriesError("; ".join(problems))
    return tuple(map(_registry, entries))


def parse_credentials(content: Mapping[str, str]) -> tuple[Credential, ...]:
    """Return what the content of the user's secret holds.

    Raises:
        RegistriesError: it is not as the option's description says.
    """
    wanted = f'the secret needs one key, {SECRET_KEY}, with JSON such as {{"10.0.0.5:5000": '
    wanted += '{"username": "…", "password": "…"}}'
    try:
        found = json.loads(content[SECRET_KEY])
    except (KeyError, ValueError, RecursionError):
        # The cause would quote the secret.
        raise RegistriesError(wanted) from None
    if not isinstance(found, dict):
        raise RegistriesError(wanted)
    entries = cast("dict[str, Any]", found)
    bad = [name for name, entry in entries.items() if not _is_credential(name, entry)]
    if bad:
        raise RegistriesError(f"{', '.join(sorted(bad))}: {wanted}")
    return tuple(
        Credential(name, entry["username"], entry["password"])
        for name, entry in sorted(entries.items())
    )


# --- mirrors ------------------------------------------------------------------------------------


def hosts_toml(registry: Registry) -> str:
    """Return containerd's ``hosts.toml`` for a registry."""
    upstream = _UPSTREAM.get(registry.host, f"https://{registry.host}")
    server = upstream if registry.fallback else registry.mirrors[0]
    lines = [_NOTICE, f"server = {_quoted(server)}"]
    for url in registry.mirrors or (upstream,):
        lines += ["", f"[host.{_quoted(url)}]", '  capabilities = ["pull", "resolve"]']
        lines += ["  skip_verify = true"] if registry.skip_verify else []
        lines += [f"  ca = {_quoted(_ca_path(registry.host))}"] if registry.ca else []
    return "\n".join(lines) + "\n"


def launch_configs(registries: Sequence[Registry]) -> dict[str, str]:
    """Return the part of the launch configuration that sets the mirrors, as far as it can.

    It has no place for certificates; :func:`ensure` writes these once the snap is there.
    """
    return {registry.host: hosts_toml(registry) for registry in registries if not registry.ca}


def ensure(
    host: host.Host, registries: Sequence[Registry], credentials: Collection[Credential]
) -> set[str]:
    """Ensure that containerd pulls as asked. Return the daemons that must be restarted for it.

    Mirrors count from the next pull on; only names and passwords need a restart.
    """
    _ensure_mirrors(host, registries)
    text = files.read(host, TEMPLATE)
    if not text and not credentials:
        return set()
    changed = files.rewrite(host, TEMPLATE, with_credentials(text, credentials))
    return {"containerd"} if changed else set()


def with_credentials(template: str, credentials: Collection[Credential]) -> str:
    """Return containerd's template with these names and passwords, and no others of ours."""
    former = re.compile(rf"\n?{re.escape(_BEGIN)}.*?{re.escape(_END)}\n", re.DOTALL)
    text = former.sub("", template)
    if not credentials:
        return text
    newer = re.search(r"(?m)^version\s*=\s*3\b", text) is not None
    plugin = "io.containerd.cri.v1.images" if newer else "io.containerd.grpc.v1.cri"
    blocks = [
        f"[plugins.{_quoted(plugin)}.registry.configs.{_quoted(entry.host)}.auth]\n"
        f"  username = {_quoted(entry.username)}\n  password = {_quoted(entry.password)}\n"
        for entry in sorted(credentials, key=lambda entry: entry.host)
    ]
    gap = "" if text.endswith("\n") or not text else "\n"
    return f"{text}{gap}\n{_BEGIN}\n{''.join(blocks)}{_END}\n"


def _ensure_mirrors(host: host.Host, registries: Sequence[Registry]) -> None:
    remembered = files.read_state(host, STATE)
    wanted = {path: text for registry in registries for path, text in _files_of(registry)}
    for path in sorted(set(remembered) - set(wanted)):
        _take_back(host, path, remembered.pop(path))
    for path, text in wanted.items():
        present = files.read(host, path)
        if path not in remembered:
            # The launch configuration may have written it already, over what was there.
            ours = present == text or present.startswith(_NOTICE)
            former = files.read(host, path.replace(ARGS, _DEFAULTS)) if ours else present
            remembered[path] = {"former": former or None}
        remembered[path] = {**remembered[path], "ours": text}
    files.write_state(host, STATE, remembered)
    for path, text in wanted.items():
        files.rewrite(host, path, text)


def _take_back(host: host.Host, path: str, edit: Mapping[str, str | None]) -> None:
    """Undo one file, unless somebody has changed it since."""
    if files.read(host, path) != edit.get("ours"):
        return
    former = edit.get("former")
    if former is not None:
        files.rewrite(host, path, former)
        return
    host.remove(path)
    with contextlib.suppress(OSError):
        # Not empty if somebody keeps files of their own there.
        host.path(path).parent.rmdir()


def _files_of(registry: Registry) -> Iterator[tuple[str, str]]:
    yield f"{FOLDER}/{registry.host}/hosts.toml", hosts_toml(registry)
    if registry.ca:
        yield _ca_path(registry.host), registry.ca.strip() + "\n"


def _ca_path(name: str) -> str:
    return f"{FOLDER}/{name}/edge-microk8s-ca.crt"


def _quoted(text: str) -> str:
    """Return a TOML string. JSON's escapes are a part of TOML's."""
    return json.dumps(text, ensure_ascii=False)


# --- checks -------------------------------------------------------------------------------------


def _entries(text: str) -> list[dict[str, Any]]:
    if not text.strip():
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RegistriesError(f"it is no JSON: {error}") from error
    if not isinstance(found, list):
        raise RegistriesError('it must be a list of objects: [{"host": "docker.io", …}]')
    entries = cast("list[Any]", found)
    if not all(isinstance(entry, dict) for entry in entries):
        raise RegistriesError('it must be a list of objects: [{"host": "docker.io", …}]')
    return cast("list[dict[str, Any]]", entries)


def _problems(entry: Mapping[str, Any]) -> Iterator[str]:
    name = str(entry.get("host", ""))
    if not _HOST.fullmatch(name):
        yield f"{name or 'an entry without one'} is no host: write it as image names have it"
    if _SECRETS & set(entry):
        yield f"{name}: take the name and password out, and put them into registry-credentials"
    unknown = sorted(set(entry) - _KEYS - _SECRETS)
    if unknown:
        yield f"{name}: unknown key {', '.join(unknown)}"
    for key in ("fallback", "skip-verify"):
        if not isinstance(entry.get(key, False), bool):
            yield f"{name}: {key} must be true or false"
    ca = entry.get("ca", "")
    if not isinstance(ca, str) or (ca and "-----BEGIN CERTIFICATE-----" not in ca):
        yield f"{name}: ca must be a certificate in PEM form"
    yield from _mirror_problems(name, entry)


def _mirror_problems(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    mirrors = entry.get("mirrors", [])
    if not isinstance(mirrors, list):
        yield f"{name}: mirrors must be a list of URLs"
        return
    urls = [str(url) for url in cast("list[object]", mirrors)]
    for url in urls:
        shown = hide_user(url)
        if shown != url:
            yield f"{name}: take the name and password out of {shown}, use registry-credentials"
        elif not is_url(url):
            yield f"{name}: {url} is no URL such as http://10.0.0.5:5000"
    if not urls and entry.get("fallback") is False:
        yield f"{name}: fallback is false but there are no mirrors"


def is_url(text: str) -> bool:
    """Return whether a text is the URL of a host, over HTTP or HTTPS."""
    try:
        parts = urllib.parse.urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    clean = re.fullmatch(r"[!-~]+", text) is not None and not set(text) & set("\"'\\`$<>")
    return clean and port_fits and parts.scheme in ("http", "https") and bool(parts.hostname)


def hide_user(url: str) -> str:
    """Return a URL without the name and password in it, for messages."""
    return re.sub(r"^([a-z]+://)?.*@", r"\1…@", url)


def _is_credential(name: str, entry: object) -> bool:
    if not _HOST.fullmatch(name) or not isinstance(entry, dict):
        return False
    values = [cast("dict[str, object]", entry).get(key) for key in ("username", "password")]
    return all(isinstance(text, str) and text and text.isprintable() for text in values)


def _registry(entry: Mapping[str, Any]) -> Registry:
    return Registry(
        host=entry["host"],
        mirrors=tuple(entry.get("mirrors", [])),
        fallback=entry.get("fallback", True),
        skip_verify=entry.get("skip-verify", False),
        ca=entry.get("ca", ""),
    )
