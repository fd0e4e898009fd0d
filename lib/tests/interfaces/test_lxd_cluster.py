import pytest

from edgecloud.interfaces.lxd_cluster import (
    Admission,
    Build,
    ClusterRecord,
    JoinOffer,
    Member,
    MemberReport,
    Refusal,
    by_unit,
)
from edgecloud.testing import decoded, encoded

RECORD = ClusterRecord(
    founder="a/0",
    cluster="f00",
    steward="a/0",
    network="br0",
    builds=(Build("arm64", "a/0", "35001"),),
    members=(Member("a/0", "a-0", "10.0.0.1:8443", "joined", 5.0),),
    admission=Admission("a/1", 2, 900.0),
    refusals=(Refusal("a/2", 1, 30.0, "no"),),
)
RECORD_V1 = {
    "founder": '"a/0"',
    "cluster": '"f00"',
    "steward": '"a/0"',
    "network": '"br0"',
    "builds": '[{"arch": "arm64", "revision": "35001", "unit": "a/0"}]',
    "members": '[{"address": "10.0.0.1:8443", "name": "a-0", "since": 5.0, "state": "joined",'
    ' "unit": "a/0"}]',
    "admission": '{"attempt": 2, "unit": "a/1", "until": 900.0}',
    "refusals": '[{"attempt": 1, "not_before": 30.0, "reason": "no", "unit": "a/2"}]',
}
REPORT = MemberReport(
    arch="arm64",
    revision="35001",
    name="a-1",
    address="10.0.0.2:8443",
    network="br0",
    ready=True,
    attempt=1,
    error="no",
    departed=("a/9",),
    offers=(JoinOffer("a/2", 1, "secret:x"),),
)


@pytest.mark.parametrize(
    ("databag", "record"),
    [({}, ClusterRecord()), (RECORD_V1, RECORD), ({"colour": '"red"'}, ClusterRecord())],
    ids=["empty", "v1", "future field"],
)
def test_given_any_released_databag_when_read_then_it_is_understood(databag, record):
    assert decoded(ClusterRecord, databag) == record


def test_given_a_record_when_written_then_it_is_as_released():
    assert encoded(RECORD) == RECORD_V1


def test_given_a_report_when_written_and_read_then_it_is_the_same():
    assert decoded(MemberReport, encoded(REPORT)) == REPORT


def test_given_members_when_keyed_then_by_their_unit():
    assert by_unit(RECORD.members)["a/0"].name == "a-0"
