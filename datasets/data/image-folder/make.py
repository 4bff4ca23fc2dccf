"""Writes the images of this folder and what Pillow makes of them; needs numpy and Pillow.

expected.csv    file, height and width, CRC-32 of the pixels of convert("RGB") and of convert("L")
expected.npy    u8 [file, 4, 20, 20]: shorter side to 20, bilinear, centre cut out; red, green, blue of the first, the one of the second

16 bits of grey are the exception: Pillow clips them at 255, here the high byte is expected, as of its other 16-bit images.
"""

import csv
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent
HEIGHT, WIDTH = 45, 62


def picture(seed, levels=255):
    """Waves, an edge and a little noise: something of every frequency."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [np.sin(x / random.uniform(3, 30) + y / random.uniform(3, 30) + c) for c in range(4)]
    image = (np.stack(planes, 2) + 1) / 2
    image[(x - 30) ** 2 + (y - 20) ** 2 < 160] = random.uniform(0, 1, 4)
    image += random.normal(0, 0.02, image.shape)
    return np.clip(image * levels, 0, levels)


def eight(seed, channels):
    return picture(seed).astype(np.uint8)[..., :channels].squeeze()


def sixteen(seed, channels, kind):
    """A PNG of 16 bits a sample, which Pillow does not write for colours."""
    samples = picture(seed, 65535).astype(">u2")[..., :channels]
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    file = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return file


def saved(array, format, mode=None, **options):
    file = io.BytesIO()
    image = Image.fromarray(array, mode) if mode else Image.fromarray(array)
    image.save(file, format, **options)
    return file.getvalue()


def palette(transparent):
    image = Image.fromarray(eight(8, 3)).quantize(40)
    file = io.BytesIO()
    image.save(file, "PNG", **({"transparency": 3} if transparent else {}))
    return file.getvalue()


def ycck():
    """A CMYK JPEG whose Adobe marker says YCCK: odd colours, the right way through the decoder."""
    file = bytearray(saved(eight(6, 4), "JPEG", "CMYK", quality=85))
    place = file.index(b"Adobe") + 11
    assert file[place] == 0
    file[place] = 2
    return bytes(file)


def corrupt():
    """Two bytes of the scan changed: libjpeg warns, and decodes what it can."""
    file = bytearray(saved(eight(0, 3), "JPEG", quality=85))
    scan = file.index(b"\xff\xda")
    file[scan + 400] ^= 0x15
    file[scan + 900] ^= 0x15
    return bytes(file)


def animated():
    file = io.BytesIO()
    frames = [Image.fromarray(eight(seed, 4)) for seed in (16, 17)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], quality=70)
    return file.getvalue()


def exif():
    tags = Image.Exif()
    tags[0x0112] = 6
    return saved(eight(4, 3), "JPEG", exif=tags)


FILES = {
    "420.jpg": saved(eight(0, 3), "JPEG", quality=85),
    "422-progressive.jpg": saved(eight(1, 3), "JPEG", quality=70, subsampling=1, progressive=True),
    "444.jpg": saved(eight(2, 3), "JPEG", quality=95, subsampling=0),
    "rotated.jpg": exif(),
    "grey.jpg": saved(eight(3, 1), "JPEG", quality=80),
    "cmyk.jpg": saved(eight(5, 4), "JPEG", "CMYK", quality=85),
    "ycck.jpg": ycck(),
    "corrupt.jpg": corrupt(),
    "dot.png": saved(np.array([[[10, 200, 90]]], np.uint8), "PNG"),
    "colour.png": saved(eight(7, 3), "PNG"),
    "palette.png": palette(False),
    "palette-transparent.png": palette(True),
    "grey.png": saved(eight(9, 1), "PNG"),
    "grey-alpha.png": saved(eight(10, 2), "PNG", "LA"),
    "alpha.png": saved(eight(11, 4), "PNG", "RGBA"),
    "bits.png": saved(eight(12, 1) > 127, "PNG"),
    "grey-16.png": sixteen(13, 1, 0),
    "colour-16.png": sixteen(13, 3, 2),
    "lossy.webp": saved(eight(14, 3), "WEBP", quality=80),
    "lossy-alpha.webp": saved(eight(15, 4), "WEBP", "RGBA", quality=60),
    "lossless.webp": saved(eight(15, 4), "WEBP", "RGBA", lossless=True, exact=True),
    "animated.webp": animated(),
}


def as_pillow(file, mode):
    image = Image.open(io.BytesIO(file))
    if image.mode == "I;16":
        image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
    return image.convert(mode)


def resized(image, side=20):
    width, height = image.size
    size = (side, side * height // width) if width <= height else (side * width // height, side)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((length - side) / 2) for length in size)
    return np.array(image.crop((left, top, left + side, top + side)))


def main():
    with open(FOLDER / "expected.csv", "w", newline="") as table:
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(["file", "height", "width", "rgb", "grey"])
        stack = []
        for name, content in FILES.items():
            (FOLDER / name).write_bytes(content)
            colour, grey = as_pillow(content, "RGB"), as_pillow(content, "L")
            rows.writerow([name, colour.height, colour.width, zlib.crc32(colour.tobytes()), zlib.crc32(grey.tobytes())])
            stack.append(np.concatenate([resized(colour).transpose(2, 0, 1), resized(grey)[None]]))
    np.save(FOLDER / "expected.npy", np.stack(stack))
    print(f"{len(FILES)} files, Pillow {Image.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
