"""How far what is by sight is: pictures that can be read, vectors of them, a run that is live."""

from __future__ import annotations

from reco_plugin.doctor import steps
from reco_plugin.doctor.kind import GOOD, Readiness, percent
from reco_plugin.doctor.sampling import NOTHING
from reco_plugin.doctor.stock import Stock


def alike(stock: Stock, kind: str) -> Readiness:
    """As full and as various as its lists; where none was made ahead, as many products as can be seen."""
    found = stock.related.get(kind, NOTHING)
    seen = min(1.0, stock.seen / max(stock.items, 1))
    is_live = "visual" in stock.live
    figure = percent(found.size * found.variety if found.answered else seen) if is_live else 0
    return _made(stock, kind, figure, "" if figure >= GOOD else steps.to_see(stock))


def look(stock: Stock, kind: str) -> Readiness:
    """What is bought together, as far as it is also seen."""
    found = stock.related.get("bought_together", NOTHING)
    share = found.size * found.variety if "visual" in stock.live else 0.0
    figure = percent(share * min(1.0, stock.seen / max(stock.items, 1)))
    step = steps.to_see(stock) if stock.seen < stock.items else ""
    return _made(
        stock,
        kind,
        figure,
        "" if figure >= GOOD else step or steps.to_relate(stock, "bought_together"),
    )


def _made(stock: Stock, kind: str, figure: int, step: str) -> Readiness:
    readable, all_ = stock.pictures.get("readable", 0), sum(stock.pictures.values())
    is_live = "visual" in stock.live
    words = f"{readable:,} of {all_:,} pictures read"
    if refused := stock.pictures.get("quarantined", 0) + stock.pictures.get("refused", 0):
        words += f", {refused:,} refused"
    live = "a run is live" if is_live else "no run is live"
    return Readiness(
        kind=kind,
        figure=figure,
        have=stock.seen,
        need=stock.items,
        ready=is_live and stock.seen > 0,
        words=f"{words}; {stock.seen:,} products can be seen; {live}",
        next_step=step,
    )
