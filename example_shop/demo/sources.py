"""Which data set a --data path is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from example_shop.demo.errors import UnknownData

GENERATED, ORDER_LOG, FASHION = "generated", "online_retail", "fashion"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    products: int
    shoppers: int
    epochs: int = 12
    """Of the encoder: fewer where there are more pictures, so that a coffee lasts as long."""


SCALES = {
    GENERATED: {
        "small": Scale(products=120, shoppers=300, epochs=12),
        "normal": Scale(products=600, shoppers=2_000, epochs=8),
        "large": Scale(products=1_400, shoppers=10_000),
    },
    FASHION: {
        "small": Scale(products=300, shoppers=200, epochs=12),
        "normal": Scale(products=3_000, shoppers=3_000, epochs=6),
        "large": Scale(products=20_000, shoppers=10_000, epochs=4),
    },
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One data set at one scale."""

    kind: str
    path: Path | None
    scale: str

    @property
    def name(self) -> str:
        """What its folder under .demo is called."""
        return self.kind if self.scale == "normal" else f"{self.kind}-{self.scale}"

    @property
    def size(self) -> Scale:
        return SCALES[self.kind][self.scale]


def recognise(path: Path | None, scale: str) -> Source:
    """What lies at `path`; None is the generated catalogue. Raises UnknownData."""
    if path is None:
        return Source(kind=GENERATED, path=None, scale=scale)
    if not path.exists():
        raise UnknownData(f"There is nothing at {path}.")
    from example_shop.demo import fashion, order_log

    if path.is_dir() and fashion.is_fashion(path):
        return Source(kind=FASHION, path=path, scale=scale)
    files = [path] if path.is_file() else [*path.glob("*.parquet"), *path.glob("*.csv")]
    readable = [file for file in files if file.suffix in {".parquet", ".csv"}]
    if any(order_log.is_order_log(file) for file in readable):
        return Source(kind=ORDER_LOG, path=path, scale="normal")
    raise UnknownData(f"{path} holds nothing the demo can read.")
