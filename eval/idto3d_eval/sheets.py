"""A run's heads as sheets for documentation: methods × people, and methods × expressions of each person."""

from __future__ import annotations

from pathlib import Path

from idto3d.whole_file import write_whole
from idto3d_eval.contact_sheet import methods_jpeg, person_jpeg, person_sheets
from idto3d_eval.run_folder import protocol_of, records_of
from idto3d_eval.store import Store


def write_sheets(run: Path, out: Path) -> list[Path]:
    """Write `methods.jpg` and `people/IDENTITY.jpg` into a folder and return their paths.

    Args:
        run: a run's folder, finished or under way.
        out: the folder to write to.

    Raises:
        UserError: the folder holds no run.
    """
    store = Store(run)
    protocol = protocol_of(store)
    views = [
        f"views/{row.label}/{identity}/seed-{protocol.seeds[0]}"
        for row in protocol.methods
        for identity in protocol.population.identities
    ]
    settled = records_of(store, views)
    pictures = {"methods.jpg": methods_jpeg(protocol, store, settled)}
    for sheet in person_sheets(protocol, store, settled):
        pictures[f"people/{sheet.identity}.jpg"] = person_jpeg(sheet, protocol.expressions)
    for name, picture in pictures.items():
        write_whole(out / name, picture)
    return [out / name for name in pictures]
