"""Keep the keys with which Kubernetes secrets are encrypted, in step on all control planes.

The leader moves from stage to stage, only when every API server runs with the present one; each
unit writes its file and restarts in its turn; the steward has the secrets written anew.
"""

from __future__ import annotations

import dataclasses

import encryption
import membership
import microk8s
import node_args
from edgecloud import host as machines
from edgecloud.interfaces import cluster_join


def plan(
    members: cluster_join.MemberEnd,
    record: cluster_join.ClusterRecord,
    *,
    wanted: bool | None,
    rotate: bool = False,
) -> cluster_join.ClusterRecord:
    """As the leader, return the record with the next stage begun, if the present one is done.

    Args:
        members: the control plane's end.
        record: as it is planned otherwise.
        wanted: whether secrets shall be encrypted; None if the options are wrong, and then what
            was asked for before stands.
        rotate: whether a new key is due; if one is being changed now, it follows after that.
    """
    if record.cluster is None or (record.encryption is None and not wanted):
        return record
    rotate = rotate or bool(record.rotation_due)
    record = dataclasses.replace(record, rotation_due=rotate or None)
    state = _state(members, record)
    if state is None:
        return record
    if wanted is None:
        wanted = state.stage not in (encryption.Stage.OFF, encryption.Stage.LEAVING)
    acts = members.member_reports()
    steward = acts.get(record.steward or "", cluster_join.MemberReport())
    begin = wanted and state.stage is encryption.Stage.OFF
    following = encryption.advance(
        state,
        wanted=wanted,
        everywhere=_everywhere(record, acts, state),
        rewritten=steward.rewritten == state.version,
        rotate=encryption.new_key(f"key-{record.generation + 1}") if begin or rotate else None,
    )
    if following == state:
        return record
    shared = members.share_keys(record, encryption.encode(following))
    # Neither is a rotation missed that falls due while keys change, nor one made for no keys.
    done = following.stage in (encryption.Stage.ROTATING, encryption.Stage.OFF)
    return dataclasses.replace(
        record,
        encryption=shared,
        generation=record.generation + 1,
        rotation_due=None if done else record.rotation_due,
    )


def ensure(host: machines.Host, members: cluster_join.MemberEnd) -> str | None:
    """As a control plane, ensure this node's file. Return the state that its API server runs with.

    None while it does not run with the latest: a restart is noted, and comes in its turn.
    """
    record = members.record()
    if record.encryption is None:
        return None
    state = _state(members, record)
    if state is None:
        return None
    if encryption.ensure(host, state):
        node_args.note_restart(host, {"kubelite"})
    return None if "kubelite" in node_args.pending(host) else state.version


def rewrite(
    host: machines.Host, members: cluster_join.MemberEnd, record: cluster_join.ClusterRecord
) -> str | None:
    """As the steward, have all secrets written anew if that is due. Return for which state.

    Raises encryption.EncryptionError.
    """
    done = members.my_acts().rewritten
    state = _state(members, record) if record.encryption else None
    if state is None or not state.rewrites or done == state.version:
        return done
    if not _everywhere(record, members.member_reports(), state):
        return done
    encryption.write_anew(host, microk8s.ADMIN, state)
    return state.version


def _state(
    members: cluster_join.MemberEnd, record: cluster_join.ClusterRecord
) -> encryption.Encryption | None:
    content = members.shared_keys(record)
    if content is None:
        return None
    return encryption.decode(content) if content else encryption.Encryption()


def _everywhere(
    record: cluster_join.ClusterRecord,
    acts: dict[str, cluster_join.MemberReport],
    state: encryption.Encryption,
) -> bool:
    """Return whether every control plane's API server runs with this state."""
    planes = [m.unit for m in membership.joined(record) if m.role == cluster_join.CONTROL_PLANE]
    running = [acts.get(unit, cluster_join.MemberReport()).encryption for unit in planes]
    if state.stage is encryption.Stage.OFF:
        return all(version in (state.version, None) for version in running)
    return all(version == state.version for version in running)
