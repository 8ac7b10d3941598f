"""The loss of both models: which of all items was it? Exact, or by importance sampling for large catalogues.

Cross-entropy over all items instead of one sampled negative is what makes SASRec as good as its successors
(Klenitskiy & Vasilev 2023, arXiv 2309.07602); one negative leaves it overconfident (Petrov & Macdonald 2023,
arXiv 2308.07192). Sampled, each negative stands for the 1 / (count x odds) items it was drawn from (Bengio &
Senécal 2008), so that the loss remains an estimate of the same.
"""

from __future__ import annotations

import numpy as np

from reco_plugin.trainers.deep.torches import Tensor, torch
from reco_plugin.types import Floats

SCORES = {"cpu": 1 << 21, "cuda": 1 << 26}
"""Scores worked on at once: what stays near a processor's cache (8 MiB), or keeps a GPU busy (256 MiB)."""


class Negatives:
    """Draws items, half of them evenly, half as often as they are taken."""

    def __init__(self, counts: Floats, count: int, device: object) -> None:
        taken = np.maximum(counts.astype(np.float64), 0)
        odds = 0.5 / len(counts) + 0.5 * taken / max(taken.sum(), 1)
        self.count = count
        self.odds = torch.as_tensor(odds / odds.sum(), dtype=torch.float32, device=device)
        self.weigh = -torch.log(count * self.odds)

    def drawn(self) -> Tensor:
        return torch.multinomial(self.odds, self.count, replacement=True)


def backward(
    asks: Tensor,
    vectors: Tensor,
    wanted: Tensor,
    negatives: Negatives | None = None,
    *,
    sharpness: float = 1.0,
) -> float:
    """Leave the gradients of the mean loss on `asks` (n, d) and `vectors` (m, d), of which `wanted` (n,) was right.

    Scores are `sharpness` times the products. Returns the loss. It is worked out in stretches, and with its gradient:
    that bounds memory, and takes a quarter of the time of a loss that keeps what going back needs.
    """
    flat, table = asks.detach() * sharpness, vectors.detach()
    if negatives is None:
        loss, pull, push = _exact(flat, table, wanted)
    else:
        loss, pull, push = _sampled(flat, table, wanted, negatives)
    count = max(len(wanted), 1)
    torch.autograd.backward([asks, vectors], [pull.mul_(sharpness / count), push.div_(count)])
    return loss / count


def _exact(asks: Tensor, vectors: Tensor, wanted: Tensor) -> tuple[float, Tensor, Tensor]:
    pull, push, loss = torch.empty_like(asks), torch.zeros_like(vectors), 0.0
    for rows in _stretches(asks, len(vectors)):
        part, right = asks[rows], wanted[rows, None]
        scores = part @ vectors.T
        top = scores.amax(1, keepdim=True)
        loss += float((top - scores.gather(1, right)).sum())
        odds = scores.sub_(top).exp_()
        total = odds.sum(1, keepdim=True)
        loss += float(total.log().sum())
        odds.div_(total).scatter_add_(1, right, -torch.ones_like(total))
        torch.mm(odds, vectors, out=pull[rows])
        push.addmm_(odds.T, part)
    return loss, pull, push


def _sampled(
    asks: Tensor, vectors: Tensor, wanted: Tensor, negatives: Negatives
) -> tuple[float, Tensor, Tensor]:
    drawn = negatives.drawn()
    others, weigh = vectors[drawn], negatives.weigh[drawn]
    pull, push, loss = torch.empty_like(asks), torch.zeros_like(vectors), 0.0
    pushed = torch.zeros_like(others)
    for rows in _stretches(asks, len(drawn)):
        part, right, own = asks[rows], wanted[rows], vectors[wanted[rows]]
        scores = (part @ others.T).add_(weigh)
        scores.masked_fill_(drawn[None] == right[:, None], -torch.inf)
        hit = (part * own).sum(1, keepdim=True)
        top = torch.maximum(hit, scores.amax(1, keepdim=True))
        odds, share = scores.sub_(top).exp_(), (hit - top).exp_()
        total = odds.sum(1, keepdim=True).add_(share)
        loss += float((total.log() + top - hit).sum())
        missing = share.div_(total).sub_(1)
        torch.mm(odds.div_(total), others, out=pull[rows])
        pull[rows] += missing * own
        pushed.addmm_(odds.T, part)
        push.index_add_(0, right, missing * part)
    return loss, pull, push.index_add_(0, drawn, pushed)


def _stretches(asks: Tensor, width: int) -> list[slice]:
    rows = max(SCORES.get(asks.device.type, SCORES["cpu"]) // width, 1)
    return [slice(at, at + rows) for at in range(0, len(asks), rows)]
