"""What the network is told about its embeddings: their attributes, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reco_plugin.encoders.torches import Tensor, functional, torch

UNKNOWN = -1


def classification(
    logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], *, smoothing: float
) -> dict[str, Tensor]:
    """The mean cross-entropy of each head over the pictures whose label is known; 0 where none is."""
    return {
        name: _mean_of(
            functional.cross_entropy(
                said, labels[name], ignore_index=UNKNOWN, label_smoothing=smoothing, reduction="sum"
            ),
            (labels[name] != UNKNOWN).sum(),
        )
        for name, said in logits.items()
    }


def _mean_of(total: Tensor, count: Tensor) -> Tensor:
    return total / count.clamp(min=1)


def contrast(rows: Tensor, attraction: Tensor, *, temperature: float) -> Tensor:
    """Supervised contrastive loss with graded positives (Khosla et al. 2020, arXiv 2004.11362).

    `rows` (b, d) of length 1; `attraction` (b, b) in 0..1 says how much two belong together, its diagonal is
    not looked at. The mean over the pictures that belong with any other; 0 where none does.
    """
    own = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    likeness = (rows @ rows.T / temperature).masked_fill(own, float("-inf"))
    said = functional.log_softmax(likeness, dim=1).masked_fill(own, 0.0)
    wanted = attraction.masked_fill(own, 0.0)
    total = wanted.sum(dim=1)
    losses = -(wanted * said).sum(dim=1) / total.clamp(min=1e-6)
    return _mean_of((losses * (total > 0)).sum(), (total > 0).sum())


def attraction(labels: Sequence[Tensor], products: Tensor, bought: Tensor | None = None) -> Tensor:
    """(b, b) in 0..1: how much each two pictures of a batch belong together.

    Two pictures of one product: 1. Two that agree on the first attribute: the share of all attributes they
    agree on (an unknown one agrees with nothing). Two products that are `bought` together (b, b): at
    least a half. All others: 0.
    """
    same = products[:, None] == products[None, :]
    found = same.float()
    if labels:
        agree = [(label[:, None] == label[None, :]) & (label[:, None] >= 0) for label in labels]
        share = torch.stack(agree).float().mean(dim=0)
        found = torch.maximum(found, share * agree[0])
    if bought is not None:
        found = torch.maximum(found, 0.5 * bought.float())
    return found
