"""Speak with an LXD daemon over its REST API, with the standard library alone.

The package needs nothing of its surroundings, except :mod:`edgecloud.lxd.daemon`, the one module
that runs commands and so reaches a machine through :mod:`edgecloud.host`. Each family of the API
has a module of functions that take a :class:`~edgecloud.lxd.client.Client` first::

    from edgecloud.lxd import client, instances, transport

    lxd = client.Client(transport.UnixSocket("/var/snap/lxd/common/lxd/unix.socket"))
    for instance in instances.every(lxd):
        print(instance.name, instance.status)

Every call has a time limit, every failure is an :class:`~edgecloud.lxd.errors.LxdError`, and
nothing is retried behind the caller's back, except a read-modify-write that lost a race.
"""
