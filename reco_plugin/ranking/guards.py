"""Facts in which a product must agree with the page's product, or must not.

They keep out what makes a shopper stop believing in the list: men's boots beside a dress, a second
washing machine 'to go with' the first. What is unknown on either side passes, since nothing says it
is wrong; only 'adult' is never unknown (see `fields.said`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reco_plugin.ranking import fields
from reco_plugin.types import ItemFacts

SUITS_ALL = {"gender": frozenset({"unisex"})}
"""Values of a product that agree with whatever the page's product says."""


class Guards:
    """The guards of one placement on one page. Without a page's product they let everything pass."""

    def __init__(
        self,
        anchor: ItemFacts | None,
        must_match: Sequence[str] = (),
        must_differ: Sequence[str] = (),
    ) -> None:
        self._match = _known(anchor, must_match, fields.said)
        self._differ = _known(anchor, must_differ, fields.echoes)

    def __bool__(self) -> bool:
        return bool(self._match or self._differ)

    def broken(self, facts: ItemFacts | None) -> str:
        """The first field in which a product is out of place here, or ''."""
        for field, wanted in self._match:
            found = fields.said(facts, field)
            if found and not (found & wanted or found & SUITS_ALL.get(field, fields.NOTHING)):
                return field
        for field, unwanted in self._differ:
            if fields.echoes(facts, field) & unwanted:
                return field
        return ""


def _known(
    anchor: ItemFacts | None,
    names: Sequence[str],
    read: Callable[[ItemFacts | None, str], frozenset[str]],
) -> list[tuple[str, frozenset[str]]]:
    if anchor is None:
        return []
    return [(name, values) for name in names if (values := read(anchor, name))]
