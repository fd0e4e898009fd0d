import json
import subprocess
import tarfile

import pytest
import yaml

FILE = "/var/snap/microk8s/common/etc/keys.json"


def back_up(site, name="/root/b1.tar.gz"):
    return site.microk8s(0, "dbctl", "backup", "-o", name)


def test_given_backup_when_read_then_it_holds_every_key_secrets_too(single):
    secret = yaml.safe_dump(
        {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "v"}}
    )
    single.kubectl(0, "apply", "-f", "-", stdin=secret)

    result = back_up(single)

    with tarfile.open(single.host(0).path("/root/b1.tar.gz")) as archive:
        keys = [
            archive.extractfile(item).read().decode()
            for item in archive
            if item.name.endswith(".key")
        ]
    assert "The backup is: /root/b1.tar.gz" in result.stdout
    assert "/registry/secrets/default/s" in keys


def test_given_no_name_when_backed_up_then_it_is_named_after_the_time(single):
    single.microk8s(0, "dbctl", "backup")

    assert len(single.host(0).glob("/root/backup-2026-*.tar.gz")) == 1


def test_given_backup_when_restored_then_it_merges_and_keeps_what_is_newer(single):
    single.kubectl(0, "create", "namespace", "old")
    back_up(single)
    single.kubectl(0, "delete", "namespace", "old")
    single.kubectl(0, "create", "namespace", "new")

    result = single.microk8s(0, "dbctl", "restore", "/root/b1.tar.gz")

    assert result.returncode == 0
    assert {"/old", "/new"} <= single.cluster().kind("namespaces").keys()


def test_given_renamed_backup_when_restored_then_exit_0_and_nothing_happened(single):
    single.kubectl(0, "create", "namespace", "old")
    back_up(single)
    single.kubectl(0, "delete", "namespace", "old")
    single.host(0).path("/root/b1.tar.gz").rename(single.host(0).path("/root/b2.tar.gz"))

    result = single.microk8s(0, "dbctl", "restore", "/root/b2.tar.gz")

    assert result.returncode == 0 and "entries=0" in result.stderr
    assert "/old" not in single.cluster().kind("namespaces")


def test_given_damaged_backup_when_restored_then_it_fails(single):
    back_up(single)
    path = single.host(0).path("/root/b1.tar.gz")
    path.write_bytes(path.read_bytes()[:200])

    assert single.microk8s(0, "dbctl", "restore", "/root/b1.tar.gz").returncode == 2
    assert single.microk8s(0, "dbctl", "restore", "/root/none.tar.gz").returncode == 1


def test_given_no_leader_when_backed_up_then_it_hangs(trio):
    for at in (1, 2):
        trio.machine(at).power_off()

    with pytest.raises(subprocess.TimeoutExpired):
        trio.microk8s(0, "dbctl", "backup", timeout_s=600)


def test_given_stopped_datastore_when_backed_up_then_exit_10(single):
    single.snap(0, "stop", "microk8s.daemon-k8s-dqlite")

    result = back_up(single)

    assert result.returncode == 10 and "HA is enabled" in result.stdout


def test_given_full_disk_when_backed_up_then_it_fails_without_a_file(single):
    single.machine(0).fill_disk()

    assert back_up(single).returncode == 2
    assert not single.host(0).exists("/root/b1.tar.gz")


def test_given_wrong_words_when_run_then_exit_2(single):
    assert single.microk8s(0, "dbctl", "frobnicate").returncode == 2


def test_given_real_tar_when_run_then_the_machine_s_paths_are_meant(site):
    site.host(0).write("/srv/a/file", "text")

    site.run(0, "/usr/bin/tar", "--create", "--file=/srv/x.tar", "--directory=/srv/a", "file")
    site.run(0, "/usr/bin/tar", "-x", "--file=/srv/x.tar", "--directory=/srv")
    result = site.run(0, "/usr/bin/sha256sum", "/srv/file")

    assert site.host(0).read("/srv/file") == "text"
    assert result.stdout.endswith("  /srv/file\n")


def test_given_full_disk_when_real_tar_writes_then_it_fails(site):
    site.machine(0).fill_disk()

    assert site.run(0, "/usr/bin/tar", "--create", "--file=/srv/x.tar", "/etc").returncode == 2


def keys(site, *names, plain="last", at=0):
    sealed = {"secretbox": {"keys": [{"name": name, "secret": f"s-{name}"} for name in names]}}
    providers = [{"identity": {}}, sealed] if plain == "first" else [sealed, {"identity": {}}]
    document = {"resources": [{"resources": ["secrets"], "providers": providers}]}
    site.host(at).write(FILE, json.dumps(document), mode=0o600)
    path = "/var/snap/microk8s/current/args/kube-apiserver"
    text = site.host(at).read(path)
    if FILE not in text:
        site.host(at).write(path, f"{text}--encryption-provider-config={FILE}\n")
    site.snap(at, "restart", "microk8s.daemon-kubelite")
    site.wait(30)


def write_secret(site, name="s"):
    text = yaml.safe_dump({"kind": "Secret", "metadata": {"name": name}, "data": {}})
    site.kubectl(0, "apply", "-f", "-", stdin=text)


def test_given_key_when_secrets_are_written_after_it_then_only_those_are_encrypted(single):
    write_secret(single, "before")
    keys(single, "k1")
    write_secret(single, "after")

    assert not single.cluster().secrets_encrypted
    single.kubectl(0, "annotate", "secrets", "--all", "--all-namespaces", "x=1", "--overwrite")
    assert single.cluster().secrets_encrypted


def test_given_identity_first_when_secrets_are_written_then_they_are_plain(single):
    keys(single, "k1", plain="first")
    write_secret(single)

    assert not single.cluster().secrets_encrypted


def test_given_lost_key_when_secrets_are_read_then_the_api_cannot(single):
    keys(single, "k1")
    write_secret(single)

    keys(single, "k2")

    result = single.kubectl(0, "get", "secrets", "-A")
    assert result.returncode == 1 and "no matching prefix found" in result.stderr


def test_given_both_keys_when_secrets_are_read_then_the_api_can(single):
    keys(single, "k1")
    write_secret(single)

    keys(single, "k2", "k1")

    assert single.kubectl(0, "get", "secrets", "-A").returncode == 0


def test_given_key_on_one_node_only_when_another_reads_then_it_cannot(pair):
    keys(pair, "k1")
    write_secret(pair)

    assert pair.kubectl(0, "get", "secrets", "-A").returncode == 0
    assert pair.kubectl(1, "get", "secrets", "-A").returncode == 1


def test_given_broken_key_file_when_kubelite_starts_then_it_dies(single):
    keys(single, "k1")
    single.host(0).write(FILE, "nonsense: [")

    single.snap(0, "restart", "microk8s.daemon-kubelite")

    assert not single.machine(0).node.services["kubelite"].active
