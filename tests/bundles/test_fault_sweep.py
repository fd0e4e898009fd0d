"""A command that fails, at every point of a deployment: nothing is left half done for ever."""

from edgelab import pi

SEEDS = 20
EFFECTS = (
    pi.fail(1, "made to fail"),
    pi.fail_late(1, "made to fail after its work"),
    pi.hang(),
)


def test_given_any_command_that_fails_once_when_deployed_then_the_site_comes_up(make_site, seed):
    healthy = make_site(seed=seed)
    healthy.settle()

    for index in range(seed, len(healthy.world.calls), SEEDS):
        site = make_site(seed=seed)
        site.world.fail_call(index, EFFECTS[index % len(EFFECTS)])
        site.settle()

        command = " ".join(site.world.calls[index].argv[:3])
        assert len(site.nodes()) == 3, f"{command} at {index}"
        assert set(site.statuses().values()) == {"active"}, f"{command} at {index}"
        site.close()
