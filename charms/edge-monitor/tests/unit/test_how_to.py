"""What the how-tos tell operators to write and to type is accepted."""

import pathlib
import re

import stories
import yaml

import questions
from edgecloud.rollout import plan

DOCS = pathlib.Path(stories.RULES).parents[3] / "docs" / "how-to"


def blocks(page, kind):
    return re.findall(rf"```{kind}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


def gates():
    """Return every gate of the how-to, read as a plan's."""
    found = []
    for page in ("write-a-gate.md", "watch-your-own-applications.md"):
        for block in blocks(page, "yaml"):
            found += yaml.safe_load(block)["gates"]
    return found


def test_given_the_gates_of_the_how_to_when_read_then_a_plan_takes_them():
    (text,) = [block for block in blocks("upgrade-a-site.md", "yaml") if "kind:" in block]

    found = plan.read({**yaml.safe_load(text), "gates": gates()})

    assert [gate.name for gate in found.gates] == [
        "calm",
        "units-up",
        "room-on-disk",
        "tills-answer",
        "tills-up",
    ]


def test_given_a_gate_by_name_when_looked_up_then_the_monitor_offers_it():
    offered = {question.name for question in questions.offered({"edge-microk8s": 3})}

    named = {gate["name"] for gate in gates() if gate["type"] == "promql" and "query" not in gate}
    assert named <= offered
    assert named


def test_given_the_label_that_holds_upgrades_when_looked_up_then_rules_carry_it():
    held = [rule for rule in stories.rules().values() if rule["labels"].get("gate") == "upgrade"]

    assert len(held) > 20


def test_given_actions_of_the_how_tos_when_looked_up_then_the_charms_have_them():
    pages = ("see-your-site.md", "write-a-gate.md")
    text = "\n".join((DOCS / page).read_text() for page in pages)

    ran = re.findall(r"juju run (edge-[\w-]+)/leader ([\w-]+)", text)
    assert len(ran) == 2
    for charm, action in ran:
        file = stories.RULES.parents[2] / charm / "charmcraft.yaml"
        assert action in yaml.safe_load(file.read_text())["actions"]


def test_given_endpoints_of_the_how_tos_when_looked_up_then_the_charm_has_them():
    pages = (
        "connect-cos",
        "write-a-gate",
        "watch-your-own-applications",
        "use-your-own-authority",
    )
    text = "".join((DOCS / f"{page}.md").read_text() for page in pages)
    charm = yaml.safe_load((stories.RULES.parents[1] / "charmcraft.yaml").read_text())

    named = set(re.findall(r"integrate edge-monitor:([\w-]+)", text))
    options = set(re.findall(r"juju config edge-monitor ([\w-]+)=", text))
    named |= set(re.findall(r"[\w-]+", *re.findall(r"offer edge-monitor:(\S+)", text)))
    assert named == {
        *("send-remote-write", "grafana-dashboard", "health-gate", "metrics-endpoint"),
        *("certificates", "grafana-source", "prometheus-api", "send-ca-cert"),
        "receive-remote-write",
    }
    assert named <= set(charm["provides"]) | set(charm["requires"])
    assert options <= set(charm["config"]["options"])


def test_given_the_port_of_the_store_when_compared_then_the_how_to_has_it():
    import store

    assert f"127.0.0.1:{store.PORT}/" in (DOCS / "see-your-site.md").read_text()


def test_given_the_jobs_of_the_monitor_when_looked_up_then_the_page_of_metrics_names_them():
    import monitor_host
    import monitor_options

    page = (DOCS.parent / "reference" / "metrics.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| `job` |"))
    options = monitor_options.MonitorOptions(remote_stores="https://far.example/write")

    for job in ("node", *monitor_host.ports(options)):
        assert f"`{job}`" in row
