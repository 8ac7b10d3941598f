"""The network of SASRec: item vectors, blocks of causal self-attention, and the vector of what comes next."""

from __future__ import annotations

from reco_plugin.trainers.deep.torches import Tensor, functional, nn, torch

REACH = 64
"""Distances, in baskets, that are told apart."""


class Network(nn.Module):  # type: ignore[misc]
    """`forward` gives each event's vector of what follows it; its product with `items.weight` are the scores."""

    def __init__(
        self, n_items: int, *, dimensions: int, blocks: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items, dimensions)
        nn.init.normal_(self.items.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dimensions, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dimensions)

    def forward(self, items: Tensor, step: Tensor) -> Tensor:
        """(b, l) item rows and numbers of baskets → (b, l, d). An event sees its own basket and those before."""
        distance = step[:, :, None] - step[:, None, :]
        hidden = distance < 0
        distance = distance.clamp(0, REACH - 1)
        found = self.dropout(self.items(items))
        for block in self.blocks:
            found = block(found, distance, hidden)
        return self.norm(found)


class _Block(nn.Module):  # type: ignore[misc]
    """Attention and a layer at each place, both normalised before and added to what came in.

    Where an event stands is told by its distance from the one that asks, learnt for each head (Raffel et al. 2020,
    arXiv 1910.10683): the same events mean the same at the start of a history as at its end.
    """

    def __init__(self, dimensions: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(dimensions), nn.LayerNorm(dimensions)
        self.project = nn.Linear(dimensions, 3 * dimensions)
        self.out = nn.Linear(dimensions, dimensions)
        self.distance = nn.Parameter(torch.zeros(heads, REACH))
        self.wide = nn.Linear(dimensions, 4 * dimensions)
        self.narrow = nn.Linear(4 * dimensions, dimensions)
        self.dropout = nn.Dropout(dropout)

    def forward(self, given: Tensor, distance: Tensor, hidden: Tensor) -> Tensor:
        given = given + self.dropout(self._attended(self.before(given), distance, hidden))
        inner = functional.gelu(self.wide(self.between(given)))
        return given + self.dropout(self.narrow(self.dropout(inner)))

    def _attended(self, given: Tensor, distance: Tensor, hidden: Tensor) -> Tensor:
        b, length, d = given.shape
        parts = self.project(given).view(b, length, 3, self.heads, d // self.heads)
        asks, keys, values = parts.permute(2, 0, 3, 1, 4)
        bias = self.distance[:, distance].transpose(0, 1).masked_fill(hidden[:, None], -1e9)
        found = functional.scaled_dot_product_attention(asks, keys, values, attn_mask=bias)
        return self.out(found.transpose(1, 2).reshape(b, length, d))
