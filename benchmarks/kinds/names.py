"""What the questions are called, for --only; read before Django is set up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

WARM = (
    *("personal", "buy_again", "together", "cart", "after_one", "after_order", "similar"),
    *("popular", "trending", "best_converting", "new_arrivals", "long_tail", "categories"),
)
"""Asked of the shop as it was learnt; `Asking` has a method of each name."""
COLD = ("newborn", "new_visitor", "one_category")
"""Of products and visitors that nobody has met."""
VIEWED = ("viewed_viewed", "viewed_bought")
"""Once every purchase has a view."""
ALL = (*WARM, *COLD, *VIEWED)


def chosen(told: Sequence[str]) -> Collection[str]:
    """The questions of a list such as ('cart,similar', 'newborn'); all where it is empty. Raises ValueError."""
    wanted = [name.strip() for each in told for name in each.split(",") if name.strip()]
    if unknown := sorted(set(wanted).difference(ALL)):
        raise ValueError(f"No question {', '.join(unknown)}; choose from {', '.join(ALL)}.")
    return frozenset(wanted or ALL)
