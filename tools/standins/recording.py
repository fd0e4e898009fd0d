"""The answers of a machine's programs, kept in files: replaying them costs almost nothing."""

from __future__ import annotations

import json
import pathlib
import subprocess
from collections.abc import Mapping

Answers = Mapping[tuple[str, ...], subprocess.CompletedProcess[str]]


def write(answers: Answers, folder: pathlib.Path) -> pathlib.Path:
    """Write the answer to each command line; return the file that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    index: dict[str, list[str]] = {}
    for number, (command, answer) in enumerate(answers.items()):
        output, errors = folder / f"{number}.out", folder / f"{number}.err"
        output.write_text(answer.stdout or "", encoding="utf-8")
        errors.write_text(answer.stderr or "", encoding="utf-8")
        index[json.dumps(list(command))] = [str(output), str(errors), str(answer.returncode)]
    listing = folder / "recording.json"
    listing.write_text(json.dumps(index), encoding="utf-8")
    return listing
