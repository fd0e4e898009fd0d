"""Run one event of a charm through ``ops.testing``, told of the event as Juju tells it.

Two things of the stock runtime do not fit a model of several units, and are replaced here: it
writes the charm's metadata to disk and parses it again at every event (the lab has it there
already), and it cannot name a departing unit of the own application, nor an event of a remote
application alone.
"""

# The runtime is a private part of ops.testing; the lab's lock pins the version it fits.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Generator
from typing import Any

import ops
import yaml
from ops import testing
from scenario import _ops_main_mock, _runtime
from scenario.context import Context

from edgelab.model import staging

JUJU_VERSION = "3.6.8"


@dataclasses.dataclass(frozen=True)
class Remote:
    """Whom a relation event is about."""

    app: str
    unit: str | None = None
    departing: str | None = None


class _Runtime(_runtime.Runtime[ops.CharmBase]):
    """The stock runtime, with Juju's own environment variables for relation events."""

    remote: Remote | None = None

    def _get_event_env(
        self, state: testing.State, event: Any, charm_root: pathlib.Path
    ) -> dict[str, str]:
        env = super()._get_event_env(state, event, charm_root)
        for name in ("JUJU_REMOTE_APP", "JUJU_REMOTE_UNIT", "JUJU_DEPARTING_UNIT"):
            env.pop(name, None)
        if self.remote is not None:
            env["JUJU_REMOTE_APP"] = self.remote.app
            env["JUJU_REMOTE_UNIT"] = self.remote.unit or ""
            if self.remote.departing:
                env["JUJU_DEPARTING_UNIT"] = self.remote.departing
        return env

    @contextlib.contextmanager
    def _virtual_charm_root(self) -> Generator[pathlib.Path, None, None]:
        assert self._charm_root is not None
        yield pathlib.Path(self._charm_root)


class _Ops(_ops_main_mock.Ops[ops.CharmBase]):
    """The stock manager, but it parses a charm's metadata once for all events."""

    def _load_charm_meta(self) -> ops.CharmMeta:
        return _read_charm_meta(self._charm_root)


@functools.cache
def _read_charm_meta(root: pathlib.Path) -> ops.CharmMeta:
    texts = [(root / f"{name}.yaml").read_text() for name in ("metadata", "actions", "config")]
    return ops.CharmMeta.from_yaml(*texts)


@contextlib.contextmanager
def _own_manager() -> Generator[None, None, None]:
    """Have the runtime use our manager, for one event only."""
    stock = _ops_main_mock.Ops
    _ops_main_mock.Ops = _Ops  # type: ignore[misc]
    try:
        yield
    finally:
        _ops_main_mock.Ops = stock  # type: ignore[misc]


class UnitContext(Context[ops.CharmBase]):
    """The ``ops.testing`` context of one unit."""

    def __init__(self, charm_type: type[ops.CharmBase], charm: staging.StagedCharm, **kwargs: Any):
        super().__init__(
            charm_type,
            meta=charm.metadata,
            config=charm.config or None,
            actions=charm.actions or None,
            charm_root=charm.root,
            juju_version=JUJU_VERSION,
            **kwargs,
        )

    def dispatch(self, event: Any, state: testing.State, remote: Remote | None) -> testing.State:
        """Run one event and return the state it leaves behind.

        Raises what the charm raised, wrapped by ``ops.testing``, and ``ops.testing.ActionFailed``.
        """
        runtime = _Runtime(
            app_name=self.app_name,
            charm_spec=self._charm_spec,
            juju_version=self.juju_version,
            charm_root=self.charm_root,
            unit_id=self.unit_id,
            machine_id=self._machine_id,
            availability_zone=self._availability_zone,
            principal_unit=self._principal_unit,
        )
        runtime.remote = remote
        self._forget()
        with _own_manager(), runtime.exec(state=state, event=event, context=self) as manager:
            manager.run()
        assert self._output_state is not None
        return self._output_state

    @property
    def failure(self) -> str | None:
        """The message that the last action failed with."""
        return self._action_failure_message

    def _forget(self) -> None:
        """Drop what the last event recorded, so that a long run does not grow."""
        self.juju_log.clear()
        self.app_status_history.clear()
        self.unit_status_history.clear()
        self.workload_version_history.clear()
        self.emitted_events.clear()
        self.action_logs.clear()
        self.action_results = None
        self._action_failure_message = None
        self._output_state = None


def write_metadata(charm: staging.StagedCharm) -> None:
    """Write the metadata files that ops reads, once for all events."""
    files = {
        "metadata.yaml": charm.metadata,
        "config.yaml": charm.config,
        "actions.yaml": charm.actions,
    }
    for name, content in files.items():
        (charm.root / name).write_text(yaml.safe_dump(content), encoding="utf-8")
