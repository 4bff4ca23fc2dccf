"""An input selector: the images on which the owner's peers are least agreed, drawn from a head of the ranking."""

import bertillon
import numpy as np


def entropy(labels):
    """Entropy of the labels that the peers gave to one image, in bits."""
    share = np.unique(labels, return_counts=True)[1] / len(labels)
    return -(share * np.log2(share)).sum()


@bertillon.selector(knowledge=["peers"])
def disputed(owner, budget, rng, *, head=0.2):
    """`head`: share of the pool that is drawn from."""
    best = owner.peers[:, :, 0]
    ranking = np.argsort([-entropy(best[:, image]) for image in range(best.shape[1])], kind="stable")
    count = max(budget, round(head * len(ranking)))
    return rng.permutation(ranking[:count])[:budget]


bertillon.serve()
