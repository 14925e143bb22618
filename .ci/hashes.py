"""Writes constraints.hashes.txt: every package of an installation with its version and its files' sha256.

    python .ci/hashes.py constraints.txt constraints.hashes.txt '.[dev]'

pip resolves as it would install, and reports which file it chose and its sha256, so that the hashes are those
of this platform and Python version; both are named in the file. torch is left out: which of its builds is
right depends on the machine, and a hash would pin one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

BY_VERSION = {"torch"}  # installed by version alone


def main() -> None:
    """Resolves, and writes the file."""
    constraints, out, *asked = sys.argv[1:]
    build = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    lines = {}
    for item in report(constraints, [*asked, *build])["install"]:
        name, version = item["metadata"]["name"].lower().replace("_", "-"), item["metadata"]["version"]
        if "dir_info" in item["download_info"] or name in BY_VERSION:
            continue
        found = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256")
        if not found:
            sys.exit(f"Found no sha256 of {name} {version} in pip's report, expected one; update pip.")
        lines[name] = f"{name}=={version} \\\n    --hash=sha256:{found}\n"
    where = f"{sysconfig.get_platform()}, Python {sys.version_info.major}.{sys.version_info.minor}"
    head = (
        f"# What `make install-hashed` installs: exact files, for {where}. Written by `make hashes`.\n"
        f"# Not in here, and installed by version alone: {', '.join(sorted(BY_VERSION))}.\n"
    )
    Path(out).write_text(head + "".join(lines[name] for name in sorted(lines)), encoding="utf-8")
    print(f"{len(lines)} packages in {out}")


def report(constraints: str, asked: list[str]) -> dict[str, list[dict[str, dict[str, object]]]]:
    """pip's report of what it would install into an empty environment."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--disable-pip-version-check", "--report", "-", "-c", constraints, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason"])[-1]
        sys.exit(f"Found no way to resolve {asked} ({last}), expected pip to reach its index; run again.")
    found: dict[str, list[dict[str, dict[str, object]]]] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
