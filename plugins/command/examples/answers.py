"""A suspect for `bertillon verify FILE --command answers.py MODEL.pt`: a TorchScript module that takes [0, 1]. Needs PyTorch.

Any other black box is asked alike: replace what `answers` does by calls of its interface.
"""

import sys

import bertillon
import torch

network = torch.jit.load(sys.argv[1]).eval()


@bertillon.suspect
def answers(images):
    with torch.no_grad():
        return network(torch.from_numpy(images).float() / 255).numpy()


bertillon.serve()
