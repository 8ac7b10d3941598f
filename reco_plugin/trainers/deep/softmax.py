"""The loss of both models: which of all items was it? Exact, or by importance sampling for large catalogues.

Cross-entropy over all items instead of one sampled negative is what makes SASRec as good as its successors
(Klenitskiy & Vasilev 2023, arXiv 2309.07602); one negative leaves it overconfident (Petrov & Macdonald 2023,
arXiv 2308.07192). Sampled, each negative stands for the 1 / (count x odds) items it was drawn from (Bengio &
Senécal 2008), so that the loss remains an estimate of the same.
"""

from __future__ import annotations

import numpy as np

from reco_plugin.trainers.deep.torches import Tensor, functional, torch
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

    Scores are `sharpness` times the products. Returns the loss; memory is bounded whatever n and m are.
    """
    flat, table = asks.detach(), vectors.detach()
    if negatives is None:
        loss, pull, push = _exact(flat, table, wanted, sharpness)
    else:
        loss, pull, push = _sampled(flat, table, wanted, negatives, sharpness)
    torch.autograd.backward([asks, vectors], [pull, push])
    return loss


def _exact(
    asks: Tensor, vectors: Tensor, wanted: Tensor, sharpness: float
) -> tuple[float, Tensor, Tensor]:
    """Loss and gradients in one pass: a quarter of the time of a loss that keeps what going back needs."""
    pull, push = torch.empty_like(asks), torch.zeros_like(vectors)
    scale, loss = sharpness / max(len(wanted), 1), 0.0
    rows = max(SCORES.get(asks.device.type, 1 << 21) // len(vectors), 1)
    for at in range(0, len(wanted), rows):
        part, right = asks[at : at + rows], wanted[at : at + rows, None]
        scores = (part @ vectors.T).mul_(sharpness)
        top = scores.amax(1, keepdim=True)
        loss += float((top - scores.gather(1, right)).sum())
        odds = scores.sub_(top).exp_()
        total = odds.sum(1, keepdim=True)
        loss += float(total.log().sum())
        odds.div_(total).scatter_add_(1, right, -torch.ones_like(total))
        torch.mm(odds, vectors, out=pull[at : at + rows])
        push.addmm_(odds.T, part)
    return loss / max(len(wanted), 1), pull.mul_(scale), push.mul_(scale)


def _sampled(
    asks: Tensor, vectors: Tensor, wanted: Tensor, negatives: Negatives, sharpness: float
) -> tuple[float, Tensor, Tensor]:
    asks, vectors = asks.requires_grad_(), vectors.requires_grad_()
    drawn = negatives.drawn()
    right = (asks * functional.embedding(wanted, vectors)).sum(1, keepdim=True)
    others = sharpness * (asks @ functional.embedding(drawn, vectors).T) + negatives.weigh[drawn]
    others = others.masked_fill(drawn[None] == wanted[:, None], -torch.inf)
    scores = torch.cat([sharpness * right, others], dim=1)
    loss = functional.cross_entropy(scores, torch.zeros_like(wanted))
    loss.backward()
    return float(loss.detach()), asks.grad, vectors.grad
