"""Times bertillon and PyTorch on the same networks, images, batches and algorithm, in turn, one thread each.

    pip install torch==2.11.0 numpy
    cargo build -p bertillon-speed --example throughput && python3 benchmarks/speed/pytorch.py

Prints medians over the rounds and their ratio. What is compared: answering 1,280 images of Fashion-MNIST in batches
of 64, and crafting 100 queries by Boundary Projection with 50 steps (8-bit forward, best rounded point kept).
"""

import gzip
import json
import pathlib
import statistics
import struct
import subprocess
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "datasets" / "data"
ROUNDS = 5

torch.set_num_threads(1)


def weights(name):
    raw = (DATA / "zoo" / f"{name}.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    body = raw[8 + length :]
    return {
        key: torch.from_numpy(
            np.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"]).copy()
        )
        for key, entry in header.items()
    }


class Net(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.name, self.w = name.split("-")[0], weights(name)

    def conv(self, x, at, **options):
        return F.conv2d(x, self.w[f"{at}.weight"], self.w.get(f"{at}.bias"), **options)

    def norm(self, x, at):
        w = self.w
        return F.batch_norm(x, w[f"{at}.running_mean"], w[f"{at}.running_var"], w[f"{at}.weight"], w[f"{at}.bias"])

    def linear(self, x, at):
        return F.linear(x, self.w[f"{at}.weight"], self.w[f"{at}.bias"])

    def forward(self, x):
        return getattr(self, self.name)((x - 0.2860) / 0.3530)

    def lenet(self, x):
        x = F.max_pool2d(self.conv(x, "layers.0", padding=2).relu(), 2)
        x = F.max_pool2d(self.conv(x, "layers.3").relu(), 2).flatten(1)
        return self.linear(self.linear(self.linear(x, "layers.7").relu(), "layers.9").relu(), "layers.11")

    def resnet(self, x):
        x = self.norm(self.conv(x, "layers.0", stride=2, padding=1), "layers.1").relu()
        for at, stride in (("layers.3", 2), ("layers.5", 1), ("layers.7", 2)):
            y = self.norm(self.conv(x, f"{at}.body.0", stride=stride, padding=1), f"{at}.body.1").relu()
            y = self.norm(self.conv(y, f"{at}.body.3", padding=1), f"{at}.body.4")
            if stride > 1:
                x = self.norm(self.conv(x, f"{at}.shortcut.0", stride=stride), f"{at}.shortcut.1")
            x = (x + y).relu()
        return self.linear(x.mean((2, 3)), "layers.10")


@torch.no_grad()
def answer(net, images):
    labels = []
    for start in range(0, len(images), 64):
        batch = torch.from_numpy(images[start : start + 64]).float().div(255)
        labels.append(net(batch).argmax(1))
    return torch.cat(labels)


def norms(x):
    return x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def bp(net, start, label, steps=50, gamma_min=0.7):
    """Zhang, Avrithis, Furon, Amsaleg 2020, with the forward pass at the 8-bit rounding."""

    def margin(z):
        true = z.gather(1, label[:, None])[:, 0]
        return true - z.scatter(1, label[:, None], -torch.inf).amax(1)

    x, crossed = start.clone(), torch.zeros(len(start), dtype=torch.bool)
    best, least = start.clone(), torch.full((len(start),), torch.inf)
    gammas = [gamma_min + i / (steps + 1) * (1 - gamma_min) for i in range(steps)]
    approach = max(1, steps // 5)

    def record(at, beyond):
        length = norms(at - start).view(-1)
        better = beyond & (length < least)
        best[better], least[better] = at[better], length[better]

    for i, gamma in enumerate(gammas):
        at = (x * 255).round().div(255).requires_grad_()
        value = margin(net(at))
        (gradient,) = torch.autograd.grad(value.sum(), at)
        value, at = value.detach(), at.detach()
        beyond = value < 0
        record(at, beyond)
        crossed |= beyond
        size = norms(gradient).clamp_min(1e-12)
        g, newton = gradient / size, value.abs().view(-1, 1, 1, 1) / size
        if i == 0:
            first = newton / sum(gammas[:approach])
        stride = first * gamma if i < approach else torch.maximum(first * gamma, newton)
        delta = x - start
        distance, along = norms(delta), (delta * g).flatten(1).sum(1).view(-1, 1, 1, 1)
        within = delta - along * g
        reach = ((distance * gamma) ** 2 - along**2).clamp_min(0).sqrt()
        out = start + along * g + within / norms(within).clamp_min(1e-12) * reach
        room = (distance / gamma) ** 2 - distance**2 + along**2
        back = x - (along + room.clamp_min(0).sqrt()) * g
        pick = lambda mask, a, b: torch.where(mask.view(-1, 1, 1, 1), a, b)
        x = pick(crossed, pick(beyond, out, back), x - stride * g).clamp(0, 1)
    with torch.no_grad():
        at = (x * 255).round().div(255)
        record(at, margin(net(at)) < 0)
    return best, least


def timed(work):
    work()
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def pytorch(images, truth):
    figures = {}
    for name in ("lenet-a", "resnet-a"):
        net = Net(name).eval()
        figures[f"answer {name}"], labels = timed(lambda: answer(net, images))
        right = np.flatnonzero(labels.numpy() == truth)[:100]
        start = torch.from_numpy(images[right]).float().div(255)
        label = labels[right]
        figures[f"craft {name}"], (_, least) = timed(lambda: bp(net, start, label))
        assert torch.isfinite(least).all()
    return figures


def main():
    with gzip.open(DATA / "fashion-mnist" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28)[:1280].copy()
    with gzip.open(DATA / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz") as file:
        truth = np.frombuffer(file.read(), np.uint8, offset=8)[:1280]
    program = ROOT / "target" / "debug" / "examples" / "throughput"
    rounds = []
    for _ in range(ROUNDS):
        ours = json.loads(subprocess.run([program], check=True, capture_output=True).stdout)
        rounds.append((ours, pytorch(images, truth)))
    print(f"{'one thread, medians of ' + str(ROUNDS):32} {'bertillon':>10} {'PyTorch':>10} {'PyTorch / bertillon':>20}")
    for key in rounds[0][0]:
        ours, theirs = (statistics.median(r[side][key] for r in rounds) for side in (0, 1))
        ratio = statistics.median(r[1][key] / r[0][key] for r in rounds)
        print(f"{key:32} {ours:9.3f}s {theirs:9.3f}s {ratio:20.2f}")


if __name__ == "__main__":
    main()
