"""The command line of the lab."""

from __future__ import annotations

import argparse
import functools
import pathlib
import shutil
import sys
import time
from collections.abc import Sequence

import rich.console
import rich.table

from edgelab import (
    bundle,
    faults,
    hosted,
    juju,
    page,
    progress,
    site_page,
    story,
    timeline,
    upgrades,
)
from edgelab.model import CheckError, Model, NotSettledError, status

REFUSALS = (
    bundle.BundleError,
    CheckError,
    faults.FaultError,
    juju.JujuError,
    story.StoryError,
)
HOURS = 6.0
MOST_HOURS = 24 * 366
EXIT_REFUSED = 2
EXIT_UNSETTLED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    wrong = _misfit(options)
    if wrong:
        parser.error(wrong)
    width = None if sys.stdout.isatty() else 120
    console = rich.console.Console(width=width, highlight=False)
    try:
        return _to_juju(options, console) if options.juju else _up(options, console)
    except REFUSALS as e:
        print(e, file=sys.stderr)
        return EXIT_REFUSED
    except NotSettledError as e:
        print(e, file=sys.stderr)
        return EXIT_UNSETTLED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgelab", description="Deploy a Juju bundle on simulated Pis, with its real charms."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser(
        "up",
        help="deploy a bundle and show the site that comes of it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + faults.HELP,
    )
    up.add_argument("bundle", type=pathlib.Path, help="the bundle file")
    up.add_argument(
        "--overlay", type=pathlib.Path, action="append", default=[], help="an overlay; repeatable"
    )
    up.add_argument("--seed", type=int, default=0, help="the order in which hooks run (0)")
    up.add_argument("--fault", action="append", default=[], help="a fault; repeatable; see below")
    up.add_argument(
        "--story", type=pathlib.Path, help="then type the commands of a page of the documentation"
    )
    up.add_argument("--hours", type=_hours, default=HOURS, help="virtual time to settle in (6)")
    up.add_argument("--html", type=pathlib.Path, help="write one self-contained page here")
    up.add_argument(
        "--juju", action="store_true", help="deploy to the current Juju model instead of the lab"
    )
    up.add_argument(
        "--trust", action="store_true", help="with --juju: give cloud credentials to who asks"
    )
    return parser


def _hours(text: str) -> float:
    """Return a span of time that a model can settle in. Raises ValueError."""
    hours = float(text)
    if not 0 < hours <= MOST_HOURS:
        raise argparse.ArgumentTypeError(f"{text} is not above 0, up to {MOST_HOURS}")
    return hours


def _misfit(options: argparse.Namespace) -> str:
    """Return why these options do not go together, before anything is begun; empty if they do."""
    if options.html is not None and not options.html.resolve().parent.is_dir():
        return f"--html {options.html}: there is no folder {options.html.resolve().parent}"
    if options.html is not None and options.html.is_dir():
        return f"--html {options.html} is a folder: name a file in it"
    given = {"--seed": options.seed, "--fault": options.fault, "--story": options.story}
    given.update({"--html": options.html, "--hours": options.hours != HOURS})
    lab_only = [name for name, value in given.items() if value]
    if options.juju and lab_only:
        return f"{', '.join(lab_only)} is for the lab: leave it out with --juju"
    if options.trust and not options.juju:
        return "--trust is for --juju: the lab has no credentials to give"
    return ""


def _to_juju(options: argparse.Namespace, console: rich.console.Console) -> int:
    console.print(juju.deploy(options.bundle, options.overlay, trust=options.trust), markup=False)
    return 0


def _up(options: argparse.Namespace, console: rich.console.Console) -> int:
    """Deploy in the lab, show what comes of it, and write the page even if it does not settle."""
    site = bundle.read(options.bundle, overlays=options.overlay)
    planned = [faults.parse(text) for text in options.fault]
    told = story.read(options.story) if options.story else ""
    started = time.monotonic()
    with Model(seed=options.seed) as model:
        model.deploy(site)
        for fault in planned:
            faults.arm(model, fault)
        console.print(_opening(options.bundle, model), markup=False)
        try:
            with progress.shown(model, console):
                model.settle(within_s=options.hours * 3600)
                if told:
                    say = functools.partial(console.print, markup=False, soft_wrap=True)
                    story.tell(model, told, pathlib.Path.cwd(), say)
        finally:
            _show(model, console, time.monotonic() - started)
            if options.html:
                text = page.render(model, title=f"{options.bundle.stem} on simulated Pis")
                options.html.write_text(text, encoding="utf-8")
                console.print(f"\nPage: {options.html}", markup=False)
                _write_site_page(model, options.html, console)
    return 0


def _write_site_page(model: Model, beside: pathlib.Path, console: rich.console.Console) -> None:
    """Write what the site's own monitor shows, if the site has one."""
    shown = site_page.render(model)
    if shown:
        path = beside.with_name(f"{beside.stem}-site{beside.suffix}")
        path.write_text(shown, encoding="utf-8")
        console.print(f"The monitor's page of the site: {path}", markup=False)


def _opening(path: pathlib.Path, model: Model) -> str:
    machines, units = len(model.world.machines), len(model.units)
    return f"Deploying {path.name}: {units} units on {machines} simulated machines\n"


def _show(model: Model, console: rich.console.Console, seconds: float) -> None:
    """Print the status and the timeline."""
    console.print()
    for rows in (status.applications(model), status.units(model), status.machines(model)):
        table = rich.table.Table(box=None, padding=(0, 2, 0, 0))
        for heading in rows[0]:
            table.add_column(heading, header_style="bold")
        for row in rows[1:]:
            table.add_row(*(progress.coloured(cell) for cell in row))
        console.print(table)
        console.print()
    run = timeline.build(model.record)
    upgraded = upgrades.lanes(model, run)
    lanes = (*run.lanes, *hosted.lanes(model, run), *upgraded)
    left = max([len(lane.unit) for lane in lanes], default=0) + 2
    width = min(console.width, shutil.get_terminal_size().columns, 110) - left
    for lane in lanes:
        console.print(f"{lane.unit:<{left}}{timeline.bar(lane, width)}", markup=False)
    length = timeline.offset(run.end - run.start)
    console.print(f"{'':<{left}}{'0:00:00':<{max(width - len(length), 0)}}{length}", markup=False)
    if upgraded:
        key = (f"{sign} {upgrades.KINDS[k]}" for k, sign in timeline.SIGNS if k in upgrades.KINDS)
        console.print(f"{'':<{left}}{'   '.join(key)}", markup=False)
    hooks = len(model.record.hooks)
    console.print(
        f"\n{hooks} hooks, {length} of virtual time, {seconds:.1f} s of yours.", markup=False
    )
