"""A variant generator: images are sharpened before the stolen network sees them.

Unsharp masking: x + amount (x - blurred x), blurred over 3 x 3 neighbours. By PyTorch where it is installed, by numpy
otherwise: both add up whole numbers, so they agree to the bit.
"""

import bertillon
import numpy as np

try:
    import torch
except ImportError:
    torch = None


def neighbours(images):
    """Sum over the 3 x 3 samples around each, the border repeated; int64 [N, C, H, W]."""
    if torch is not None:
        padded = torch.nn.functional.pad(torch.from_numpy(images).double(), (1, 1, 1, 1), mode="replicate")
        return torch.nn.functional.avg_pool2d(padded, 3, stride=1, divisor_override=1).long().numpy()
    padded = np.pad(images.astype(np.int64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = images.shape[2:]
    return sum(padded[:, :, i:i + height, j:j + width] for i in range(3) for j in range(3))


@bertillon.variant(kind="sharpen", group="input", strength="amount")
def sharpen(images, *, amount=1.0):
    difference = images - neighbours(images) / 9
    return np.clip(np.round(images + amount * difference), 0, 255).astype(np.uint8)


bertillon.serve()
