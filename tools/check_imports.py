"""Check who imports whom: ``lib`` never a charm, no charm another, the core only its like."""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator, Mapping

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What a part of the shared package may import besides itself and the standard library.
LIBRARY_RULES: Mapping[str, frozenset[str]] = {
    "edgecloud/rollout": frozenset(),
    "edgecloud/agent": frozenset(
        {
            "edgecloud.rollout",
            "edgecloud.host",
            "edgecloud.lxd",
            "edgecloud.lxd_member",
            "edgecloud.metrics",
        }
    ),
    "edgecloud/twin": frozenset({"edgecloud.rollout"}),
    "edgecloud/host": frozenset(),
    "edgecloud/lxd": frozenset({"edgecloud.host"}),
    "edgecloud/lxd_member": frozenset({"edgecloud.host", "edgecloud.lxd"}),
    "edgecloud/metrics": frozenset(),
}
# What a charm has at run time. `ops` is fenced in by ruff (see pyproject.toml).
CHARM_PACKAGES = frozenset({"edgecloud", "jinja2", "ops", "yaml"})


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every module that a source file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from edgecloud import host` imports edgecloud.host.
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def charm_problems(charm: pathlib.Path) -> Iterator[str]:
    """Yield the imports of a charm that reach beyond itself and what is packed with it."""
    sources = charm / "src"
    own = _top_level_modules(sources)
    for file in sorted(sources.rglob("*.py")):
        for line, module in imports(file.read_text(encoding="utf-8")):
            top = module.partition(".")[0]
            if top not in own | CHARM_PACKAGES | sys.stdlib_module_names:
                yield f"{file}:{line}: a charm has no {top} at run time"


def library_problems(library: pathlib.Path) -> Iterator[str]:
    """Yield the imports of the shared packages that reach into a charm or out of their part."""
    charms = library.parent / "charms"
    charm_modules = {name for src in charms.glob("*/src") for name in _top_level_modules(src)}
    for file in sorted(library.glob("edge*/**/*.py")):
        allowed = _allowed(file.relative_to(library).as_posix())
        for line, module in imports(file.read_text(encoding="utf-8")):
            top = module.partition(".")[0]
            if top in charm_modules or top == "charms":
                yield f"{file}:{line}: lib imports a charm's module: {module}"
            elif file.is_relative_to(library / "edgecloud") and top == "edgelab":
                yield f"{file}:{line}: what charms ship imports the lab: {module}"
            elif allowed is not None and not _is_within(module, allowed):
                yield f"{file}:{line}: this part may not import {module}"


def _allowed(file: str) -> frozenset[str] | None:
    """Return the packages that a file of the shared package may import; None if any."""
    for part, others in LIBRARY_RULES.items():
        if file.startswith(f"{part}/") or file == f"{part}.py":
            return others | {part.replace("/", ".")}
    return None


def _is_within(module: str, packages: frozenset[str]) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or any(
        module == package or module.startswith(f"{package}.") for package in packages
    )


def _top_level_modules(folder: pathlib.Path) -> set[str]:
    """Return the names of the modules and packages right below a folder."""
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("*.py")}


def main() -> int:
    """Print every import that breaks a rule; return 1 if there is one."""
    found = list(library_problems(ROOT / "lib"))
    for charm in sorted((ROOT / "charms").iterdir()):
        found += charm_problems(charm)
    for problem in found:
        print(problem.removeprefix(f"{ROOT}/"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
