#!/usr/bin/env python3
"""Accuracy of the models of a manifest on a folder of images, by PyTorch and Pillow alone: a second opinion.

    scripts/measure-accuracy.py benchmarks/models/imagenet.toml ../shared/imagenet --size 256

The folder has the `.pt` files, `images/` and `labels.csv` (file,label). Each image is decoded by Pillow, its shorter side
resized to `--size` (bilinear, antialiased) and its centre cut out, as the pool of a suite is; then prepared as the manifest
says. Needs torch, numpy and Pillow.
"""

import argparse
import csv
import pathlib
import tomllib

import numpy as np
import torch
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def resized(image, resize, method, height, width):
    """Resized as `resize` says, and the centre of height x width cut out."""
    if isinstance(resize, list):
        size = (resize[1], resize[0])
    else:
        shorter = min(image.size)
        size = tuple(resize * side // shorter for side in image.size)
    image = image.resize(size, method) if image.size != size else image
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def accuracy(model, folder, pool, labels):
    channels, height, width = model["input"]
    method = FILTERS[model.get("interpolation", "bilinear")]
    resize = model.get("resize", [height, width])
    images = [resized(image, resize, method, height, width) for image in pool]
    images = [image.convert("L" if channels == 1 else "RGB") for image in images]
    batch = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    batch = batch.reshape(len(images), height, width, channels).permute(0, 3, 1, 2)
    if model.get("colour") == "bgr":
        batch = batch.flip(1)

    def per_channel(key, otherwise):
        return torch.tensor(model.get(key, otherwise), dtype=torch.float32).reshape(-1, 1, 1)

    module = torch.jit.load(folder / model["file"], map_location="cpu").eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(batch), 50):
            x = batch[start : start + 50].float() / 255
            if "mean" in model:
                x = (x - per_channel("mean", 0)) / per_channel("std", 1)
            else:
                x = x * per_channel("scale", 1) + per_channel("offset", 0)
            answers = module(x).argmax(1)
            right += int((answers == labels[start : start + 50]).sum())
    return right / len(batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=256, help="pixels of a side of the pool's images")
    arguments = parser.parse_args()
    manifest = tomllib.loads(arguments.manifest.read_text())
    with open(arguments.folder / "labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = torch.tensor([int(row["label"]) for row in rows])
    size = arguments.size
    pool = []
    for row in rows:
        with Image.open(arguments.folder / "images" / row["file"]) as image:
            pool.append(resized(image.convert("RGB"), size, Image.Resampling.BILINEAR, size, size))
    for model in manifest["model"]:
        model = manifest.get("defaults", {}) | model
        reached = accuracy(model, arguments.folder, pool, labels)
        said = f", said to reach {model['accuracy']:.4f}" if "accuracy" in model else ""
        print(f"{model['name']}: {reached:.4f} of {len(rows)} images{said}", flush=True)


if __name__ == "__main__":
    main()
