"""A variant generator: every weight is moved a little, at random. Needs PyTorch."""

import bertillon
import torch


@bertillon.variant(kind="jitter", group="weights", acts_on="model", strength="amount")
def jitter(model, images, labels, rng, *, amount=0.02):
    """`amount`: standard deviation of the noise, in those of the tensor that it is added to."""
    if amount == 0:
        return None
    network = torch.jit.load(model)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.numel() > 1:
                noise = torch.from_numpy(rng.standard_normal(tuple(weights.shape))).to(weights.dtype)
                weights += amount * weights.std() * noise
    return network


bertillon.serve()
