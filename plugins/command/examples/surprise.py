"""A fingerprinting method: two models are alike that share the answers which few others give.

A suspect's agreement with the owner on a query weighs by how rare her answer is among her peers.
"""

import bertillon
import numpy as np


@bertillon.method(knowledge=["peers"], selector=True)
class Surprise:
    def __init__(self, *, prior=1.0):
        """`prior`: answers that are taken as seen before any peer was asked."""
        self.prior = prior

    def enroll(self, owner, budget, selected, rng):
        agreeing = (owner.peers[:, selected, 0] == owner.answers[selected, 0]).sum(axis=0)
        weights = -np.log2((agreeing + self.prior) / (len(owner.peers) + 2 * self.prior))
        return bertillon.Enrolled(selected, state=weights, notes={"bits of all answers": weights.sum()})

    def distance(self, reference, answers, enrolled):
        weights = np.array(enrolled.state)
        return 1 - weights @ (reference[:, 0] == answers[:, 0]) / weights.sum()


bertillon.serve()
