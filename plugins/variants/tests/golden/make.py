"""Makes the .npy files beside it: what Pillow does to small images.

Needs Pillow and numpy (made with Pillow 13.0.0):
    python make.py
Shapes: NAME.npy u8 [N, H, W] (grey) or [N, H, W, 3]; NAME_jpeg.npy [qualities, ...NAME], NAME_posterize.npy
[bits 3..7, ...], NAME_histogram.npy [...].
"""
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
QUALITIES = {
    "grey_28x28": [10, 30, 50, 75, 85, 90, 95],
    "rgb_17x23": [10, 30, 50, 75, 85, 90, 95],
    "rgb_32x32": [30, 90],
    # Every quality: below 24 the tables are clamped at 255.
    "rgb_8x9": list(range(1, 101)),
    "grey_9x8": list(range(1, 101)),
}


def images(name, n, height, width, channels):
    """Shapes, gradients and noise."""
    rng = np.random.default_rng(len(name) * 1000 + height)
    out = []
    for i in range(n):
        y, x = np.mgrid[0:height, 0:width]
        image = np.zeros((height, width, channels))
        for c in range(channels):
            a, b, r = rng.uniform(0, 1, 3)
            image[..., c] = 200 * (a * y / height + b * x / width) / 2
            disc = (y - height * a) ** 2 + (x - width * b) ** 2 < (height * r / 2) ** 2
            image[..., c][disc] += rng.uniform(20, 150)
        image += rng.normal(0, [0, 5, 40, 120][i % 4], image.shape)
        out.append(np.clip(image, 0, 255).astype(np.uint8))
    out = np.stack(out)
    return out[..., 0] if channels == 1 else out


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(io.BytesIO(file.getvalue())))


def each(batch, operation):
    return np.stack([np.asarray(operation(image)) for image in batch])


for name, n, height, width, channels in [
    ("grey_28x28", 4, 28, 28, 1),
    ("rgb_17x23", 3, 17, 23, 3),
    ("rgb_32x32", 2, 32, 32, 3),
    ("rgb_8x9", 1, 8, 9, 3),
    ("grey_9x8", 1, 9, 8, 1),
]:
    batch = images(name, n, height, width, channels)
    save = lambda suffix, array: np.save(HERE / f"{name}{suffix}.npy", array)
    save("", batch)
    save("_jpeg", np.stack([each(batch, lambda i: jpeg(i, q)) for q in QUALITIES[name]]))
    if height > 10:
        histogram = each(batch, lambda i: ImageOps.equalize(Image.fromarray(i)))
        save("_histogram", histogram)
        posterized = [each(batch, lambda i: ImageOps.posterize(Image.fromarray(i), bits)) for bits in range(3, 8)]
        save("_posterize", np.stack(posterized))
