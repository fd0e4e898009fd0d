import json
import pathlib

import hypothesis
import pytest
from hypothesis import strategies

import footprint

GB = 1024 * 1024
PAGE = pathlib.Path(__file__).parents[4] / "docs" / "explanation" / "footprint.md"
MEMORY = strategies.integers(0, 64 * GB)


def meminfo(kilobytes):
    return f"MemTotal:       {kilobytes} kB\nMemFree:         1000 kB\n"


def named(name):
    return footprint.choose(name, 0)


@pytest.mark.parametrize(
    ("memory_kb", "name"),
    [
        (0, "worker-512"),
        (426000, "worker-512"),
        (524287, "worker-512"),
        (524288, "worker-512"),
        (524289, "worker-512"),
        (870399, "worker-512"),
        (870400, "tiny-1g"),
        (926000, "tiny-1g"),
        (1740799, "tiny-1g"),
        (1740800, "std-2g"),
        (1880000, "std-2g"),
        (3481599, "std-2g"),
        (3481600, "full-4g"),
        (8 * GB, "full-4g"),
    ],
)
def test_given_memory_when_the_profile_is_auto_then_the_largest_that_fits(memory_kb, name):
    assert footprint.choose("auto", memory_kb).name == name


@pytest.mark.parametrize("name", footprint.NAMES)
def test_given_a_profile_by_name_when_chosen_then_memory_does_not_matter(name):
    assert footprint.choose(name, 8 * GB).name == name


@hypothesis.given(total=MEMORY.filter(bool), limit=MEMORY)
def test_given_a_limit_when_memory_is_counted_then_the_smaller_counts(total, limit):
    counted = footprint.usable_kb(meminfo(total), f"{limit * 1024}\n")

    assert counted == min(total, limit)


@pytest.mark.parametrize("limit", ["", "max\n"])
def test_given_no_limit_when_memory_is_counted_then_the_machines_counts(limit):
    assert footprint.usable_kb(meminfo(8 * GB), limit) == 8 * GB


def test_given_a_container_on_a_large_host_when_auto_then_its_limit_decides():
    memory_kb = footprint.usable_kb(meminfo(8 * GB), f"{512 * 1024**2}\n")

    assert footprint.choose("auto", memory_kb).name == "worker-512"


def test_given_no_meminfo_when_memory_is_counted_then_the_limit_counts():
    assert footprint.usable_kb("", "1048576") == 1024


def test_given_512_mb_when_a_control_plane_is_asked_for_then_it_is_refused_with_the_way_out():
    assert footprint.problem("auto", "control-plane", 524288) == (
        "role=control-plane needs 1 GB of memory, this machine has 512 MB: deploy it in an"
        " application of its own with role=worker, or use a larger machine"
    )


def test_given_the_profile_of_workers_when_a_control_plane_is_asked_for_then_it_is_refused():
    assert footprint.problem("worker-512", "control-plane", 8 * GB) == (
        "profile=worker-512 is for role=worker only: set profile=auto"
    )


def test_given_too_large_a_profile_when_checked_then_it_is_refused():
    assert footprint.problem("full-4g", "control-plane", 926000) == (
        "profile=full-4g needs 4 GB of memory, this machine has 904 MB: set profile=auto"
    )


def test_given_too_little_for_anything_when_checked_then_it_is_refused():
    assert footprint.problem("auto", "worker", 262144) == (
        "a worker needs 512 MB of memory, this machine has 256 MB: use a larger machine"
    )


@pytest.mark.parametrize(
    ("wanted", "role", "memory_kb"),
    [
        ("auto", "worker", 426000),
        ("auto", "control-plane", 870400),
        ("tiny-1g", "control-plane", 8 * GB),
        ("worker-512", "worker", 8 * GB),
    ],
)
def test_given_what_fits_when_checked_then_there_is_no_problem(wanted, role, memory_kb):
    assert footprint.problem(wanted, role, memory_kb) is None


@hypothesis.given(memory_kb=MEMORY, role=strategies.sampled_from(["control-plane", "worker"]))
def test_given_any_memory_when_auto_then_the_profile_chosen_fits_or_the_role_does_not(
    memory_kb, role
):
    problem = footprint.problem("auto", role, memory_kb)

    assert problem is None or "profile" not in problem


@hypothesis.given(smaller=MEMORY, larger=MEMORY)
def test_given_more_memory_when_auto_then_no_limit_gets_tighter(smaller, larger):
    hypothesis.assume(smaller <= larger)

    one, other = (footprint.choose("auto", memory) for memory in (smaller, larger))

    assert one.max_pods <= other.max_pods
    assert one.dns_replicas <= other.dns_replicas
    assert one.journal_mb <= other.journal_mb


@pytest.mark.parametrize("name", footprint.NAMES)
def test_given_a_profile_when_its_reserves_are_taken_then_pods_have_room_left(name):
    profile = named(name)
    kept = profile.kube_reserved_mb + profile.system_reserved_mb + profile.evict_below_mb
    smallest = max(profile.from_kb, footprint.WORKER_KB) // 1024

    assert smallest - kept >= 180


@pytest.mark.parametrize("name", footprint.NAMES)
def test_given_a_profile_when_its_flags_are_read_then_none_has_a_space(name):
    flags = footprint.kubelet_flags(named(name)) | footprint.api_server_flags(named(name))

    assert all(" " not in value for value in flags.values())
    assert all(flag.startswith("--") for flag in flags)


def test_given_two_profiles_when_compared_then_they_set_the_same_flags():
    sets = {frozenset(footprint.kubelet_flags(profile)) for profile in footprint.PROFILES}

    assert len(sets) == 1


def test_given_the_tiny_profile_when_its_flags_are_read_then_they_are_these():
    assert footprint.kubelet_flags(named("tiny-1g")) == {
        "--kube-reserved": "memory=384Mi",
        "--system-reserved": "memory=96Mi",
        "--eviction-hard": "memory.available<64Mi,nodefs.available<1Gi,imagefs.available<1Gi",
        "--max-pods": "30",
        "--image-gc-high-threshold": "80",
        "--image-gc-low-threshold": "70",
        "--serialize-image-pulls": "true",
    }


@pytest.mark.parametrize(
    ("name", "nodes", "replicas"),
    [("tiny-1g", 3, 1), ("std-2g", 1, 1), ("std-2g", 3, 2), ("full-4g", 0, 1)],
)
def test_given_nodes_when_dns_is_planned_then_one_replica_per_node_at_most(name, nodes, replicas):
    assert footprint.dns_replicas(named(name), nodes) == replicas


def test_given_an_sd_card_when_the_log_is_limited_then_it_is_written_less_often():
    card, disk = (footprint.journald(named("std-2g"), kind) for kind in ("sd", "ssd"))

    assert "SystemMaxUse=96M\n" in card
    assert "SyncIntervalSec=15m\n" in card
    assert "SyncIntervalSec=5m\n" in disk


def test_given_an_sd_card_when_the_datastore_is_tuned_then_it_is_more_patient():
    card, disk = (json.loads(footprint.tuning(kind)) for kind in ("sd", "ssd"))

    assert card["snapshot"]["threshold"] > disk["snapshot"]["threshold"]
    assert (card["network-latency"], disk["network-latency"]) == ("50ms", "20ms")


def rows():
    lines = (line for line in PAGE.read_text().splitlines() if line.startswith("|"))
    table = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {cells[0]: cells[1:] for cells in table}


def test_given_the_page_that_explains_it_when_compared_then_its_figures_are_these():
    found = rows()

    assert [found[profile.name][0] for profile in footprint.PROFILES] == [
        str(profile.from_kb) for profile in footprint.PROFILES
    ]
    for title, figures in {
        "kept for MicroK8s (MB)": [p.kube_reserved_mb for p in footprint.PROFILES],
        "kept for the system (MB)": [p.system_reserved_mb for p in footprint.PROFILES],
        "pods evicted below (MB)": [p.evict_below_mb for p in footprint.PROFILES],
        "most pods": [p.max_pods for p in footprint.PROFILES],
        "events kept": [p.event_ttl for p in footprint.PROFILES],
        "images deleted above (%)": [p.image_gc[0] for p in footprint.PROFILES],
        "… down to (%)": [p.image_gc[1] for p in footprint.PROFILES],
        "replicas of the cluster's DNS": [p.dns_replicas for p in footprint.PROFILES],
        "system log on disk (MB)": [p.journal_mb for p in footprint.PROFILES],
    }.items():
        assert found[title] == [str(figure) for figure in figures], title
