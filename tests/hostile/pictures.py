"""Hostile photographs: damaged, larger than they look, of odd kinds, and with metadata made to confuse."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.hostile.case import ACCEPTED, EITHER, Case, damaged, noise, one

READER = "photo"
SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp"}


def cases() -> Iterator[Case]:
    """All of them."""
    for form, suffix in SUFFIXES.items():
        yield from damaged(
            f"photo {suffix}", READER, f"a.{suffix}", lambda form=form: encoded(picture(), form)
        )
    yield from _sizes()
    yield from _modes()
    yield from _other_types()
    yield from _metadata()
    yield from _animated()


def picture(width: int = 96, height: int = 80) -> Image.Image:
    """A small picture that no encoder can make trivial."""
    rows, columns = np.mgrid[:height, :width]
    colour = np.stack([rows * 3 % 256, columns * 5 % 256, (rows * columns) % 256], axis=2)
    return Image.fromarray(colour.astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG chunk with a right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int = 8, colour: int = 0, *, rows: int | None = None) -> bytes:
    """A PNG of zeros that says it is this large, written row by row; `rows` of its height are there."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    line = bytes(min(1 + (width * samples * depth + 7) // 8, 2_000_000))
    packer = zlib.compressobj(6)
    packed = b"".join(packer.compress(line) for _ in range(height if rows is None else rows))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", b"\1\2\3") if colour == 3 else b""
    body = chunk(b"IHDR", header) + palette + chunk(b"IDAT", packed + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _sizes() -> Iterator[Case]:
    for side in (30_000, 65_535, 2**31 - 1):
        yield one(f"photo png header {side}", READER, "a.png", lambda side=side: png(side, side, rows=1))
        yield one(f"photo bmp header {side}", READER, "a.bmp", lambda side=side: _bmp_header(side, side))
    for width, height in ((1, 1), (0, 0), (0, 64), (1, 40_000), (2**31 - 1, 1), (31, 31)):
        yield one(
            f"photo png {width} by {height}",
            READER,
            "a.png",
            lambda width=width, height=height: png(width, height, rows=min(height, 64)),
        )
    yield one("photo jpg 1 by 1", READER, "a.jpg", lambda: encoded(picture(1, 1), "JPEG"))
    yield one("photo jpg header 30000", READER, "a.jpg", lambda: _jpeg_sized(30_000, 30_000))
    yield one("photo jpg header 65535", READER, "a.jpg", lambda: _jpeg_sized(65_535, 65_535))
    yield one("photo webp header 16383", READER, "a.webp", lambda: _webp_sized(16_383, 16_383))
    # As many pixels as are allowed, in the modes that take most memory.
    yield one("photo png largest grey", READER, "a.png", lambda: png(7070, 7070), ACCEPTED)
    yield one("photo png largest rgba", READER, "a.png", lambda: png(7070, 7070, 8, 6), ACCEPTED)
    yield one("photo png largest 16 bit", READER, "a.png", lambda: png(7070, 7070, 16, 6), EITHER)
    yield one("photo png flat strip", READER, "a.png", lambda: png(40, 1_200_000), EITHER)
    yield one("photo png wide strip", READER, "a.png", lambda: png(1_200_000, 40), EITHER)


def _modes() -> Iterator[Case]:
    base = picture()
    made = {
        "cmyk jpg": lambda: encoded(base.convert("CMYK"), "JPEG"),
        "grey jpg": lambda: encoded(base.convert("L"), "JPEG"),
        "progressive jpg": lambda: encoded(base, "JPEG", progressive=True),
        "grey 16 bit png": lambda: png(64, 64, 16, 0),
        "rgb 16 bit png": lambda: png(64, 64, 16, 2),
        "rgba 16 bit png": lambda: png(64, 64, 16, 6),
        "grey alpha png": lambda: png(64, 64, 8, 4),
        "bilevel png": lambda: encoded(base.convert("1"), "PNG"),
        "palette png": lambda: encoded(base.convert("P"), "PNG"),
        "palette transparent png": lambda: encoded(base.convert("P"), "PNG", transparency=3),
        "short palette png": lambda: png(64, 64, 8, 3),
        "rgba png": lambda: encoded(base.convert("RGBA"), "PNG"),
        "lossless webp": lambda: encoded(base, "WEBP", lossless=True),
        "alpha webp": lambda: encoded(base.convert("RGBA"), "WEBP"),
        "grey bmp": lambda: encoded(base.convert("L"), "BMP"),
        "long comment jpg": lambda: encoded(base, "JPEG", comment=b"a" * 60_000),
    }
    for name, make in made.items():
        yield one(f"photo {name}", READER, f"a.{name.rsplit(' ', 1)[1]}", make, ACCEPTED)
    for depth, colour in ((3, 0), (16, 3), (8, 5), (8, 7), (0, 0), (255, 255)):
        yield one(
            f"photo png depth {depth} colour {colour}",
            READER,
            "a.png",
            lambda depth=depth, colour=colour: png(64, 64, depth, colour),
            EITHER if depth == 16 else "refused",
        )


def _other_types() -> Iterator[Case]:
    """What is no photo, under a photo's name."""
    base = picture()
    for form in ("GIF", "TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000", "DDS", "SGI", "PDF", "EPS"):
        yield one(f"photo {form} named png", READER, "a.png", lambda form=form: encoded(base, form))
    yield one("photo jpg named png", READER, "a.png", lambda: encoded(base, "JPEG"), ACCEPTED)
    texts = {
        "empty": b"",
        "text": b"no picture at all\n" * 40,
        "html": b"<!doctype html><title>404</title><img src=//example.org/a.png>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://example.org/a.png"/></svg>',
        "zeros": bytes(100_000),
        "noise": noise(50_000),
        "zip": b"PK\x03\x04" + noise(500),
        "pickle": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
        "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(owned) (w) file\n",
    }
    for name, data in texts.items():
        yield one(f"photo {name}", READER, "a.jpg", data)


def _metadata() -> Iterator[Case]:
    base = picture()
    for orientation in (0, 3, 6, 8, 9, 65_535):
        yield one(
            f"photo exif orientation {orientation}",
            READER,
            "a.jpg",
            lambda orientation=orientation: _jpeg_with_exif(_orientation(orientation)),
            ACCEPTED,
        )
    blocks = {
        "cyclic": _ifd([(0x0112, 3, 1, 6), (0x8769, 4, 1, 8)]),  # the sub-directory is the directory itself
        "offsets outside": _ifd([(0x010F, 2, 2**31, 2**32 - 1), (0x0112, 3, 1, 6)]),
        "orientation text": _ifd([(0x0112, 2, 4, 0x41414141)]),
        "orientation rational": _ifd([(0x0112, 5, 1, 2**32 - 8)]),
        "many entries": _ifd([(0x0112, 3, 1, 6)] * 3_000),
        "count without entries": b"II*\0\x08\0\0\0\xff\xff",
        "empty": b"",
        "wrong order mark": b"XX*\0\x08\0\0\0",
        "noise": noise(4_000),
        "far directory": b"II*\0\xff\xff\xff\x7f",
    }
    for name, block in blocks.items():
        yield one(f"photo exif {name}", READER, "a.jpg", lambda block=block: _jpeg_with_exif(block), EITHER)
        yield one(
            f"photo png exif {name}", READER, "a.png", lambda block=block: _with_chunk(b"eXIf", block), EITHER
        )
    note = PngInfo()
    note.add_itxt("Comment", "a" * 900_000, zip=True)
    yield one("photo png long text", READER, "a.png", lambda: encoded(base, "PNG", pnginfo=note), EITHER)
    bomb = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    yield one("photo png text bomb", READER, "a.png", lambda: _with_chunk(b"zTXt", bomb), EITHER)
    profile = b"icc\0\0" + zlib.compress(bytes(100_000_000), 9)
    yield one("photo png profile bomb", READER, "a.png", lambda: _with_chunk(b"iCCP", profile), EITHER)
    many = lambda: _with_chunk(b"tEXt", b"a\0b", 50_000)  # noqa: E731
    yield one("photo png many chunks", READER, "a.png", many, EITHER)
    yield one(
        "photo xmp entities",
        READER,
        "a.png",
        lambda: _with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _LAUGHS),
        EITHER,
    )


_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x>&j;</x>"
)


def _animated() -> Iterator[Case]:
    frames = [Image.fromarray(np.full((64, 64, 3), shade, np.uint8)) for shade in range(0, 250, 10)]
    more = {"save_all": True, "append_images": frames[1:], "duration": 20}
    yield one("photo animated png", READER, "a.png", lambda: encoded(frames[0], "PNG", **more), ACCEPTED)
    yield one("photo animated webp", READER, "a.webp", lambda: encoded(frames[0], "WEBP", **more), ACCEPTED)
    yield one("photo animated gif", READER, "a.gif", lambda: encoded(frames[0], "GIF", **more))
    control = struct.pack(">II", 2**31 - 1, 0)
    yield one("photo apng of many frames", READER, "a.png", lambda: _with_chunk(b"acTL", control), EITHER)
    frame = struct.pack(">IIIIIHHBB", 0, 30_000, 30_000, 0, 0, 1, 1, 0, 0)
    yield one("photo apng frame outside", READER, "a.png", lambda: _with_chunk(b"fcTL", frame), EITHER)


def _bmp_header(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def _jpeg_sized(width: int, height: int) -> bytes:
    """A JPEG whose frame header says another size than its data hold."""
    data = bytearray(encoded(picture(), "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _webp_sized(width: int, height: int) -> bytes:
    data = bytearray(encoded(picture(), "WEBP"))
    place = data.index(b"\x9d\x01\x2a")
    data[place + 3 : place + 7] = struct.pack("<HH", width, height)
    return bytes(data)


def _with_chunk(kind: bytes, data: bytes, times: int = 1) -> bytes:
    """A sound PNG with chunks after its header."""
    sound = encoded(picture(), "PNG")
    return sound[:33] + chunk(kind, data) * times + sound[33:]


def _orientation(value: int) -> bytes:
    return _ifd([(0x0112, 3, 1, value)])


def _ifd(entries: list[tuple[int, int, int, int]]) -> bytes:
    """A TIFF directory: tag, type, count, value or offset of each entry."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4)


def _jpeg_with_exif(block: bytes) -> bytes:
    sound = encoded(picture(), "JPEG")
    content = (b"Exif\0\0" + block)[:65_000]
    return sound[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + sound[2:]
