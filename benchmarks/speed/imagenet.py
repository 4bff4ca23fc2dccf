"""Times bertillon and PyTorch on EfficientNet-Lite, the same images and algorithm, in turn, one thread each.

    pip install torch==2.11.0 numpy pillow
    cargo build -p bertillon-speed --example imagenet && python3 benchmarks/speed/imagenet.py ../shared/imagenet

Prints medians over the rounds and the median ratio within a round. Answering: 64 images; PyTorch takes the faster of
batches of 8 and of 64, plain (`torch.jit.load`) and frozen (`torch.jit.freeze`, channels last). Crafting: 20 queries by
Boundary Projection with 50 steps in batches of 8; bertillon's figure is a whole enrolment (the scale of the logits and
the reference answers are in it), PyTorch runs the attack of `pytorch.py` on the module as loaded, and on the frozen one.
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from PIL import Image

from pytorch import bp

ROOT = pathlib.Path(__file__).resolve().parents[2]
NETWORKS = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
ANSWERED, CRAFTED, BATCH = 64, 20, 8
ROUNDS = 5

torch.set_num_threads(1)


def decoded(path, side):
    image = Image.open(path).convert("RGB")
    scale = side / min(image.size)
    size = [max(side, int(length * scale)) for length in image.size]
    left, top = ((length - side) // 2 for length in size)
    image = image.resize(size, Image.Resampling.BILINEAR).crop((left, top, left + side, top + side))
    return np.asarray(image).transpose(2, 0, 1)


def in_batches(size, images, work):
    return [work(images[start : start + size]) for start in range(0, len(images), size)]


class PyTorch:
    def __init__(self, path, images):
        self.plain = torch.jit.load(path).eval()
        for parameter in self.plain.parameters():
            parameter.requires_grad_(False)
        self.frozen = torch.jit.freeze(torch.jit.load(path).eval())
        self.images = images
        self.start = torch.from_numpy(images[:CRAFTED]).float().div(255)
        with torch.no_grad():
            self.label = self.on(self.plain)(self.start).argmax(1)

    def on(self, module, layout=torch.contiguous_format):
        return lambda x: module(((255 * x - 127) / 128).contiguous(memory_format=layout))

    def tasks(self):
        last = torch.channels_last
        answer, craft = self.answer, self.craft
        return {
            "answer": {
                "plain": [lambda size=size: answer(self.on(self.plain), size) for size in (8, 64)],
                "frozen": [lambda size=size: answer(self.on(self.frozen, last), size) for size in (8, 64)],
            },
            "craft": {
                "plain": [lambda: craft(self.on(self.plain))],
                "frozen": [lambda: craft(self.on(self.frozen, last))],
            },
        }

    @torch.no_grad()
    def answer(self, network, size):
        in_batches(size, self.images, lambda batch: network(torch.from_numpy(batch).float().div(255)).argmax(1))

    def craft(self, network):
        pairs = list(zip(self.start, self.label))
        done = in_batches(
            BATCH, pairs, lambda some: bp(network, *(torch.stack(part) for part in zip(*some)), gamma_min=0.3)
        )
        # Some stay where they are in 50 steps, in bertillon too.
        assert torch.cat([least for _, least in done]).isfinite().float().mean() >= 0.8


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main():
    shared = pathlib.Path(sys.argv[1])
    files = sorted((shared / "images").iterdir())[:ANSWERED]
    chosen = sys.argv[2:] or list(NETWORKS)
    program = ROOT / "target" / "debug" / "examples" / "imagenet"
    print(f"{'one thread, medians of ' + str(ROUNDS):28} {'bertillon':>10} {'plain':>10} {'frozen':>10} {'plain/b.':>9} {'frozen/b.':>9}")
    for name in chosen:
        network, side = shared / f"{name}.pt", NETWORKS[name]
        images = np.stack([decoded(file, side) for file in files])
        with tempfile.NamedTemporaryFile() as raw:
            images.tofile(raw)
            raw.flush()
            arguments = [program, network, str(side), raw.name, str(CRAFTED)]
            ours = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

            def asked(task):
                ours.stdin.write(f"{task}\n")
                ours.stdin.flush()
                return float(ours.stdout.readline())

            # Crafting takes minutes a round: the first network stands for all.
            tasks = PyTorch(str(network), images).tasks()
            for task in tasks if name == chosen[0] else ["answer"]:
                rounds = []
                for _ in range(ROUNDS + (task == "answer")):
                    row = [asked(task)]
                    row += [min(map(seconds, ways)) for ways in tasks[task].values()]
                    rounds.append(row)
                # The first round warms up.
                rounds = rounds[-ROUNDS:]
                medians = [statistics.median(column) for column in zip(*rounds)]
                ratios = [statistics.median(row[i] / row[0] for row in rounds) for i in (1, 2)]
                times = " ".join(f"{median:9.3f}s" for median in medians)
                print(f"{task + ' ' + name:28} {times} {ratios[0]:9.2f} {ratios[1]:9.2f}", flush=True)
            ours.stdin.close()
            ours.wait()


if __name__ == "__main__":
    main()
