"""Methods × identities × expressions as pictures, beside the photos that the heads were made from."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from idto3d_eval.store import Record, Store
from idto3d_protocols.schema import Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

CELL = 128  # pixels of a picture's side
_SIDE = 84  # pixels of the column of expressions' names
_PHOTO_COLUMNS = 2
_HEADER = 30
_GAP = 4
_PAPER, _INK, _FAINT = (250, 250, 248), (35, 38, 42), (140, 142, 146)
_MAX_PHOTOS = 4
_JPEG_QUALITY = 84
_MOST_PIXELS = 8_000_000  # of the sheet of everything, whose pictures shrink until it fits
_SMALLEST = 48
_NAMES = 190  # pixels of the column of methods' names
_METHODS_CELL = 112
_METHODS_QUALITY = 86
ARCHIVED = "taken from an archive, which keeps no pictures"


@dataclass(frozen=True)
class Strip:
    """One method's heads of one person: an image file an expression, or why there is none."""

    label: str
    images: tuple[Path | None, ...]
    reason: str

    @property
    def absent(self) -> str:
        """What stands in the place of a picture."""
        return "archived" if self.reason == ARCHIVED else "no head"


@dataclass(frozen=True)
class PersonSheet:
    """One person: conditioning photos and a strip a method."""

    identity: str
    photos: tuple[Path, ...]
    strips: tuple[Strip, ...]


def person_sheets(protocol: Protocol, store: Store, settled: Mapping[str, Record]) -> list[PersonSheet]:
    """What there is to show, in the protocol's order; the first seed, the first frontal view."""
    view = next(view.name for view in protocol.views if view.frontal)
    sheets = []
    for identity in protocol.population.identities:
        photos = store.artefact(f"identities/{identity}") / "conditioning"
        strips = []
        for row in protocol.methods:
            job = f"views/{row.label}/{identity}/seed-{protocol.seeds[0]}"
            folder = store.artefact(job)
            files = [folder / expression / f"{view}.png" for expression in protocol.expressions]
            made = settled[job].done
            images = tuple(file if made and file.is_file() else None for file in files)
            strips.append(Strip(row.label, images, settled[job].reason or ARCHIVED * settled[job].fileless))
        shown = tuple(sorted(photos.iterdir())[:_MAX_PHOTOS]) if photos.is_dir() else ()
        sheets.append(PersonSheet(identity, shown, tuple(strips)))
    return sheets


def thumbnail(path: Path, side: int = CELL) -> bytes:
    """A picture as a small JPEG."""
    buffer = io.BytesIO()
    _square(path, side).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def contact_sheet_png(protocol: Protocol, store: Store, settled: Mapping[str, Record]) -> bytes:
    """One PNG of all people: photos on the left, methods in columns, expressions in rows."""
    from PIL import Image, ImageDraw, ImageFont

    sheets = person_sheets(protocol, store, settled)
    expressions = protocol.expressions
    cell = _cell_that_fits(len(sheets) * len(protocol.methods) * len(expressions))
    step = cell + _GAP
    left = _PHOTO_COLUMNS * step + _GAP + _SIDE
    height = _HEADER + max(len(expressions), 2) * step + 3 * _GAP
    canvas = Image.new("RGB", (left + len(protocol.methods) * step, height * len(sheets)), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(17), ImageFont.load_default(13)
    for number, sheet in enumerate(sheets):
        top = number * height
        draw.text((_GAP, top + 6), sheet.identity, fill=_INK, font=large)
        for index, photo in enumerate(sheet.photos):
            spot = (
                _GAP + index % _PHOTO_COLUMNS * step,
                top + _HEADER + index // _PHOTO_COLUMNS * step,
            )
            canvas.paste(_square(photo, cell), spot)
        for row, expression in enumerate(expressions):
            y = top + _HEADER + row * step + cell // 2 - 8
            draw.text((left - _SIDE + _GAP, y), expression, fill=_FAINT, font=small)
        for column, strip in enumerate(sheet.strips):
            x = left + column * step
            label = _shortened(draw, strip.label, small, cell)
            draw.text((x, top + 8), label, fill=_INK, font=small)
            for row, path in enumerate(strip.images):
                y = top + _HEADER + row * step
                if path is not None:
                    canvas.paste(_square(path, cell), (x, y))
                else:
                    draw.rectangle((x, y, x + cell - 1, y + cell - 1), outline=_FAINT)
                    middle = (x + cell / 2, y + cell / 2)
                    draw.text(middle, _shortened(draw, strip.absent, small, cell), _FAINT, small, "mm")
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def methods_jpeg(protocol: Protocol, store: Store, settled: Mapping[str, Record]) -> bytes:
    """One JPEG of methods × people, neutral from the front: photos in the first row, a method a row below."""
    sheets = person_sheets(protocol, store, settled)
    neutral = protocol.expressions.index("neutral")
    rows: list[_Row] = [
        ("a photo", [(sheet.photos[0] if sheet.photos else None, "none") for sheet in sheets])
    ]
    for index, row in enumerate(protocol.methods):
        strips = [sheet.strips[index] for sheet in sheets]
        rows.append((row.label, [(strip.images[neutral], strip.absent) for strip in strips]))
    return _table_jpeg([sheet.identity for sheet in sheets], rows)


def person_jpeg(sheet: PersonSheet, expressions: Sequence[str]) -> bytes:
    """One JPEG of methods × expressions of a person: photos in the first row, a method a row below."""
    photos: list[tuple[Path | None, str]] = [(path, "") for path in sheet.photos[: len(expressions)]]
    rows: list[_Row] = [("photos", photos)]
    rows += [(strip.label, [(path, strip.absent) for path in strip.images]) for strip in sheet.strips]
    return _table_jpeg(expressions, rows)


_Row = tuple[str, "list[tuple[Path | None, str]]"]  # its name; pictures, each with what stands in its place


def _table_jpeg(columns: Sequence[str], rows: Sequence[_Row]) -> bytes:
    """Pictures under the columns' names and beside the rows'."""
    from PIL import Image, ImageDraw, ImageFont

    side, step = _METHODS_CELL, _METHODS_CELL + _GAP
    size = (_NAMES + len(columns) * step + _GAP, _HEADER + len(rows) * step + _GAP)
    canvas = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for column, name in enumerate(columns):
        middle = (_NAMES + column * step + side / 2, _HEADER / 2)
        draw.text(middle, _shortened(draw, name.replace("_", " "), font, side), _INK, font, "mm")
    for number, (name, pictures) in enumerate(rows):
        y = _HEADER + number * step
        draw.text((_GAP * 2, y + side / 2), _shortened(draw, name, font, _NAMES - 3 * _GAP), _INK, font, "lm")
        for column, (path, absent) in enumerate(pictures):
            x = _NAMES + column * step
            if path is not None:
                canvas.paste(_square(path, side), (x, y))
            else:
                draw.rectangle((x, y, x + side - 1, y + side - 1), outline=_FAINT)
                draw.text((x + side / 2, y + side / 2), absent, _FAINT, font, "mm")
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=_METHODS_QUALITY)
    return buffer.getvalue()


def _cell_that_fits(pictures: int) -> int:
    """The side of a picture, smaller where there are very many."""
    return max(_SMALLEST, min(CELL, int((_MOST_PIXELS / max(pictures, 1)) ** 0.5)))


def _shortened(draw: ImageDraw, text: str, font: Font, width: int) -> str:
    """A text that fits, with an ellipsis where it had to be cut."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "…", font=font) > width:
        text = text[:-1]
    return text + "…"


def _square(path: Path, side: int) -> Image:
    """The middle square of a picture, scaled."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
