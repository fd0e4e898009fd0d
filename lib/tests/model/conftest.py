"""Small charms on disk for the lab to deploy, each with a top-level ``charm`` of its own."""

import pathlib
import textwrap

import pytest

from edgelab import model

REPOSITORY = pathlib.Path(__file__).parents[3]

TRACER = {
    "charmcraft.yaml": """
        name: tracer
        type: charm
        summary: Notes every event it is told of.
        description: For tests.
        peers:
          cluster: {interface: tracer_peers}
        provides:
          tap: {interface: tap}
          beside: {interface: beside, scope: container}
        requires:
          upstream: {interface: tap, limit: 1}
        resources:
          blob: {type: file, filename: blob.bin, description: Anything.}
        storage:
          data: {type: filesystem, multiple: {range: 0-2}}
        config:
          options:
            greeting: {type: string, default: hello, description: What to say.}
            count: {type: int, default: 1, description: How often.}
            password: {type: secret, description: A secret.}
        actions:
          shout:
            description: Say it loudly.
            params:
              word: {type: string, enum: [hey, ho]}
              times: {type: integer, default: 2, minimum: 1}
            additionalProperties: false
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import ops
        import helper
        from edgecloud import host

        class TracerCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                for name, source in self.on.events().items():
                    if not name.startswith(("collect", "pre_series", "post_series")):
                        framework.observe(source, self._on_any)

            def _on_any(self, event):
                line = helper.describe(event)
                machine = host.this()
                machine.write("/trace", helper.read(machine, "/trace") + line + "\\n")
                if isinstance(event, ops.ActionEvent):
                    words = [event.params["word"]] * event.params["times"]
                    event.set_results({"said": " ".join(words)})
                    return
                if isinstance(event, (ops.StopEvent, ops.RelationDepartedEvent)):
                    return
                if machine.exists("/fail-" + line.split()[0]):
                    for relation in self.model.relations["cluster"]:
                        relation.data[self.unit]["lost"] = "yes"
                    raise RuntimeError("told to fail")
                for relation in self.model.relations["cluster"]:
                    relation.data[self.unit]["config"] = str(self.config["greeting"])
                    if self.unit.is_leader():
                        relation.data[self.app]["leader"] = self.unit.name
                self.unit.status = ops.ActiveStatus(str(self.config["greeting"]))
    """,
    "src/helper.py": """
        import ops

        def read(machine, path):
            return machine.read(path) if machine.exists(path) else ""

        def describe(event):
            words = [event.handle.kind.replace("_", "-")]
            if isinstance(event, ops.RelationEvent):
                words += [str(event.unit.name if event.unit else event.app.name)]
            if isinstance(event, ops.RelationDepartedEvent):
                words += [f"departing={event.departing_unit.name}"]
            return " ".join(words)
    """,
}

BESIDE = {
    "charmcraft.yaml": """
        name: beside
        type: charm
        summary: A subordinate.
        description: For tests.
        subordinate: true
        requires:
          principal: {interface: beside, scope: container}
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import ops
        import helper

        class BesideCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                framework.observe(self.on["principal"].relation_joined, self._on_joined)

            def _on_joined(self, event):
                event.relation.data[self.unit]["beside"] = helper.NAME
                self.unit.status = ops.ActiveStatus(f"beside {event.unit.name}")
    """,
    "src/helper.py": """
        NAME = "another helper of the same name"
    """,
}

KEEPER = {
    "charmcraft.yaml": """
        name: keeper
        type: charm
        summary: Keeps a secret for its peers.
        description: For tests.
        peers:
          cluster: {interface: keeper_peers}
        config:
          options:
            word: {type: string, default: "", description: What to keep from now on.}
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import datetime
        import ops
        from edgecloud import host

        class KeeperCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                framework.observe(self.on["cluster"].relation_joined, self._on_joined)
                framework.observe(self.on["cluster"].relation_changed, self._on_changed)
                framework.observe(self.on.secret_expired, self._on_expired)
                framework.observe(self.on.secret_changed, self._on_secret_changed)
                framework.observe(self.on.secret_remove, self._on_secret_remove)
                framework.observe(self.on.config_changed, self._on_config_changed)

            def _on_joined(self, event):
                if self.unit.name != "keeper/0" or event.unit.name != "keeper/1":
                    return
                now = host.this().now()
                soon = datetime.datetime.fromtimestamp(now + 7200, datetime.timezone.utc)
                secret = self.unit.add_secret({"word": "sesame"}, label="door", expire=soon)
                secret.grant(event.relation, unit=event.unit)
                event.relation.data[self.unit]["door"] = secret.id

            def _on_changed(self, event):
                for unit in event.relation.units:
                    door = event.relation.data[unit].get("door")
                    if door:
                        self._open(door)

            def _open(self, door):
                try:
                    word = self.model.get_secret(id=door).get_content(refresh=True)["word"]
                except ops.SecretNotFoundError:
                    self.unit.status = ops.BlockedStatus("shut")
                else:
                    host.this().write("/word", word)
                    self.unit.status = ops.ActiveStatus("open")

            def _on_secret_changed(self, event):
                host.this().write("/word", event.secret.get_content(refresh=True)["word"])

            def _on_config_changed(self, event):
                if self.unit.name == "keeper/0" and self.config["word"]:
                    secret = self.model.get_secret(label="door")
                    secret.set_content({"word": str(self.config["word"])})

            def _on_secret_remove(self, event):
                host.this().write("/removed", str(event.revision))
                event.remove_revision()

            def _on_expired(self, event):
                event.secret.remove_all_revisions()
    """,
}


def write_charm(folder, files):
    """Write a charm's files below a folder; ``%s`` stands for the repository."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).replace("%s", str(REPOSITORY)))
    return folder


@pytest.fixture
def tracer(tmp_path):
    return write_charm(tmp_path / "tracer", TRACER)


@pytest.fixture
def beside(tmp_path):
    return write_charm(tmp_path / "beside", BESIDE)


@pytest.fixture
def keeper(tmp_path):
    return write_charm(tmp_path / "keeper", KEEPER)


@pytest.fixture
def juju(tmp_path):
    with model.Model(tmp_path / "lab", seed=1) as juju:
        yield juju


@pytest.fixture
def trace():
    """What the tracer charm noted on a unit's machine."""

    def lines(juju, unit):
        machine = juju.world.machines[juju.units[unit].machine].host()
        return machine.read("/trace").splitlines()

    return lines


PUPPET = {
    "charmcraft.yaml": """
        name: puppet
        type: charm
        summary: Does in a hook what a file on its machine says.
        description: For tests.
        peers:
          cluster: {interface: puppet_peers}
        provides:
          string: {interface: string}
          agent: {interface: agent}
        requires:
          hand: {interface: string}
        actions:
          dance: {description: Dance., additionalProperties: false}
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import ops
        from edgecloud import host

        class PuppetCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                events = self.on.events()
                names = ("config_changed", "leader_elected", "update_status", "secret_rotate")
                for name in (*names, "dance_action"):
                    framework.observe(events[name], self._on_any)

            def _on_any(self, event):
                machine = host.this()
                kind = event.handle.kind.replace("_", "-")
                if machine.exists("/do-" + kind):
                    exec(machine.read("/do-" + kind), {"self": self, "host": machine})
                    self.unit.status = ops.ActiveStatus("did it")
    """,
}

PINNED = {
    "charmcraft.yaml": """
        name: pinned
        type: charm
        summary: A subordinate whose other end knows nothing of containers.
        description: For tests.
        subordinate: true
        requires:
          agent: {interface: agent, scope: container}
        parts:
          shared:
            plugin: dump
            source: %s/lib
            organize: {edgecloud: lib/edgecloud}
    """,
    "src/charm.py": """
        import ops

        class PinnedCharm(ops.CharmBase):
            def __init__(self, framework):
                super().__init__(framework)
                framework.observe(self.on["agent"].relation_joined, self._on_joined)

            def _on_joined(self, event):
                units = sorted(unit.name for unit in event.relation.units)
                self.unit.status = ops.ActiveStatus(" ".join(units))
    """,
}


@pytest.fixture
def puppet(tmp_path):
    return write_charm(tmp_path / "puppet", PUPPET)


@pytest.fixture
def pinned(tmp_path):
    return write_charm(tmp_path / "pinned", PINNED)


@pytest.fixture
def puppets(juju, puppet):
    """Two settled units that wait to be told what to do."""
    juju.add_application("puppet", puppet)
    for _ in range(2):
        juju.add_unit("puppet")
    juju.settle()
    return juju


@pytest.fixture
def tell():
    """Have a unit run some lines in its next hook of a kind."""

    def tell(juju, unit, lines, kind="update-status"):
        machine = juju.world.machines[juju.units[unit].machine].host()
        machine.write(f"/do-{kind}", lines)
        juju.units[unit].next_update_status = juju.clock.now()

    return tell
