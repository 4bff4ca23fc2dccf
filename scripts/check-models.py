#!/usr/bin/env python3
"""Does what docs/MODELS.md says, with a real PyTorch: exports models by its Python blocks, runs suites on them.

    scripts/check-models.py [--bertillon target/debug/bertillon]

Checks: models exported as written join a suite; a wrong normalisation is caught before anything else; a state dict is told from a
module. With torchvision, timm and Pillow at hand, their models too, on a folder of colour images. Ends with 0 (all is well), 1
(something is not; it says what) or 77 (skipped: no torch or numpy, or no program).
"""

import argparse
import csv
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
ROOT = pathlib.Path(__file__).resolve().parent.parent
EPOCHS = 3
COLOUR_IMAGES = 60

try:
    import numpy as np
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(SKIPPED)

failures = []


def check(claim, holds, detail=""):
    print(f"{'ok' if holds else 'FAILED'}: {claim}", flush=True)
    if not holds:
        failures.append(f"{claim}: {detail}" if detail else claim)


def optional(name):
    try:
        return __import__(name)
    except ImportError as missing:
        print(f"skipped: {missing}", flush=True)
        return None


def blocks():
    """Code blocks of the document by the word after their language."""
    text = (ROOT / "docs/MODELS.md").read_text()
    return dict(re.findall(r"^```(?:python|toml) (\w+)\n(.*?)^```$", text, re.M | re.S))


def fashion_mnist():
    """Images u8 [10000, 28, 28] and their labels."""
    folder = next((ROOT / "datasets/data").rglob("t10k-images-idx3-ubyte.gz")).parent

    def read(name, header):
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=header)

    images = read("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    return images, read("t10k-labels-idx1-ubyte.gz", 8)


def trained(seed, images, labels):
    """A small network that takes samples in [-1, 1]."""
    torch.manual_seed(seed)
    layers = torch.nn
    model = layers.Sequential(
        layers.Conv2d(1, 8, 5, stride=2), layers.BatchNorm2d(8), layers.ReLU(),
        layers.Conv2d(8, 16, 5, stride=2), layers.ReLU(), layers.Flatten(), layers.Dropout(0.1), layers.Linear(256, 10),
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    x = torch.from_numpy(images.copy()).float().unsqueeze(1) / 127.5 - 1
    y = torch.from_numpy(labels.astype(np.int64))
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(x)).split(100):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimiser.step()
    return model


def run(program, folder, *arguments):
    command = [program, "run", "suite.toml", "--out", "out", "--cache", "cache", "--quiet", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, " ".join(done.stderr.replace("│", " ").split())


def vanillas(folder):
    return json.loads((folder / "out/results.json").read_text())["population"]["vanillas"]


def check_plain(program, folder, code):
    images, labels = fashion_mnist()
    (folder / "suite.toml").write_text(code["suite"])
    manifest = code["manifest"] + '[[model]]\nname = "other"\nfile = "other.pt"\ninput = [1, 28, 28]\nmean = 0.5\nstd = 0.5\n'
    (folder / "models.toml").write_text(manifest)
    for seed, name in enumerate(["other", "mine"]):
        model = trained(seed, images, labels)
        exec(code["plain"].replace("mine.pt", str(folder / f"{name}.pt")), {"torch": torch, "model": model})
    small = ["--set", "data.pool=500", "--set", "evaluation.draws=2"]
    status, said = run(program, folder, *small)
    check("models exported as written join a suite", status == 0 and vanillas(folder) == 2, said)

    (folder / "models.toml").write_text(manifest.replace("mean  = 0.5\nstd   = 0.5\n", "", 1))
    status, said = run(program, folder, *small)
    caught = status == 2 and "`mine` seems to get its images wrongly prepared" in said and "[-1, 1]" in said
    check("a wrong normalisation is caught", caught, f"{status}, {said}")
    print(f"    {said}", flush=True)

    (folder / "models.toml").write_text(manifest)
    torch.save(model.state_dict(), folder / "mine.pt")
    status, said = run(program, folder, *small)
    check("a state dict is told from a module", status == 2 and "state dict" in said, f"{status}, {said}")


def write_colour_images(folder, image_module):
    images, labels = fashion_mnist()
    (folder / "images").mkdir()
    with open(folder / "labels.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label"])
        for i in range(COLOUR_IMAGES):
            image = image_module.fromarray(images[i]).resize((80, 72)).convert("RGB")
            image.save(folder / "images" / f"{i:03}.png")
            rows.writerow([f"{i:03}.png", int(labels[i])])


def check_libraries(program, folder, code):
    pillow, libraries = optional("PIL"), {name: optional(name) for name in ["torchvision", "timm"]}
    listed = subprocess.run([program, "list", "images"], capture_output=True, text=True).stdout
    if "image-folder" not in listed:
        print("skipped: this bertillon has no image-folder")
        return
    if not pillow or not all(libraries.values()):
        return
    from PIL import Image

    write_colour_images(folder, Image)
    names = {"WEIGHTS": None, "PRETRAINED": False, "torch": torch, **libraries}
    for name in ["torchvision", "timm"]:
        block = re.sub(r'save\("', f'save("{folder}/', code[name])
        exec(block, dict(names))
    manifest = "[defaults]\ninput = [3, 224, 224]\nclasses = 1000\n"
    manifest += "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n"
    for name in ["resnet18", "resnet18-timm"]:
        # Untrained: they reach no more than chance, and claim less.
        manifest += f'[[model]]\nname = "{name}"\nfile = "{name}.pt"\naccuracy = 0.0001\n'
    (folder / "models.toml").write_text(manifest)
    data = 'source = "image-folder"\npath = "."\nimages = "images"\nlabels = "labels.csv"\nsize = 72\nclasses = 1000\npool = 40\n'
    suite = re.sub(r'source = "fashion-mnist".*\n', data, code["suite"], count=1)
    (folder / "suite.toml").write_text(suite + "\n[evaluation]\nbudgets = [10]\ndraws = 2\n")
    status, said = run(program, folder)
    check("models of torchvision and timm answer a folder of images", status == 0 and vanillas(folder) == 2, said)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bertillon", default=ROOT / "target/debug/bertillon", type=pathlib.Path)
    program = parser.parse_args().bertillon.resolve()
    if not program.exists():
        print(f"skipped: no {program}; build it")
        sys.exit(SKIPPED)
    code = blocks()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for part in [check_plain, check_libraries]:
            place = pathlib.Path(folder) / part.__name__
            place.mkdir()
            part(program, place, code)
    print("\n".join(failures) or "all is well")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
