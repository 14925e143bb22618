"""The hostile corpus: every case by its name, and a folder of their files for whoever wants to look at them.

python -m tests.hostile.make_corpus FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hostile import (
    folders,
    networks,
    packed,
    pictures,
    plain_meshes,
    regressions,
    scenes,
    tables,
    yamls,
)
from tests.hostile.case import Case

KINDS = (pictures, scenes, plain_meshes, yamls, networks, folders, tables, packed, regressions)
CASES: dict[str, Case] = {case.name: case for kind in KINDS for case in kind.cases()}


def write_case(case: Case, folder: Path) -> Path:
    """Writes a case's files and returns the one that is read."""
    files = case.make()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / next(iter(files))


def main() -> None:
    """Writes all of them, a folder each."""
    root = Path(sys.argv[1])
    for number, case in enumerate(CASES.values()):
        name = "".join(sign if sign.isalnum() else "_" for sign in case.name)[:60]
        write_case(case, root / f"{number:04}_{name}")
    print(f"{len(CASES)} cases in {root}")


if __name__ == "__main__":
    main()
