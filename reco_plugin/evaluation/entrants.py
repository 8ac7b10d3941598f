"""Who takes part in a comparison: this product's models, and other libraries' where they are installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reco_plugin.evaluation import models, peers
from reco_plugin.evaluation.contract import Model
from reco_plugin.evaluation.measuring import Entry, Question


def entries() -> Mapping[str, Entry]:
    """Every model that learns from histories, by name."""
    return {one.name: one for one in (*models.entries(), *peers.entries())}


def own() -> tuple[Entry, ...]:
    """This product's."""
    return models.entries()


def taking_part(question: Question) -> list[str]:
    """The names of those that can answer this question on this log."""
    return [name for name, entry in entries().items() if entry.can(question)]


def lacking(names: Iterable[str]) -> dict[str, str]:
    """Of these models, what must be installed for those that cannot take part for lack of it, by name."""
    told = {name: entry.lacks() for name, entry in entries().items() if name in set(names)}
    return {name: words for name, words in told.items() if words}


def model(name: str, question: Question) -> Model:
    """Raises ValueError for a name there is not."""
    found = entries().get(name)
    if found is None:
        raise ValueError(f"There is no model {name!r}. There are: {', '.join(entries())}.")
    return found.make(question)
