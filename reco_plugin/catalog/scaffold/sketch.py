"""A class as it is being written: attributes, methods, imports, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from reco_plugin.catalog.scaffold.fields import Model
from reco_plugin.catalog.scaffold.guess import Guess, Sure


@dataclass(kw_only=True)
class Sketch:
    """One class of the file."""

    product: Model
    attributes: dict[str, str] = field(default_factory=dict)
    """Name → Python expression."""
    remarks: dict[str, str] = field(default_factory=dict)
    """Attribute or method → what a person should look at."""
    methods: dict[str, str] = field(default_factory=dict)
    """Name → source, indented as in a module."""
    imports: set[tuple[str, str]] = field(default_factory=set)
    """(module, name)"""
    prefetched: list[str] = field(default_factory=list)
    """Relations that `item` needs beyond those its paths begin with."""
    shown_with: list[str] = field(default_factory=list)
    """Relations a tile needs, read along with the products of a slate."""
    conditions: list[str] = field(default_factory=list)
    """Of an order line, for filter()."""
    annotations: dict[str, str] = field(default_factory=dict)
    """Name → expression, where an order line has no plain path."""
    guesses: list[Guess] = field(default_factory=list)

    def say(
        self,
        subject: str,
        found: str,
        sure: Sure = "sure",
        why: str = "",
        alternatives: tuple[str, ...] = (),
    ) -> None:
        self.guesses.append(
            Guess(subject=subject, found=found, sure=sure, why=why, alternatives=alternatives)
        )

    def set_path(self, name: str, path: str, remark: str = "") -> None:
        self.attributes[name] = f'"{path}"'
        if remark:
            self.remarks[name] = remark

    def use(self, model: Model) -> str:
        """Import a model of the shop; returns its name in the file."""
        self.imports.add((model.__module__, model.__name__))
        return model.__name__

    def take(self, module: str, *names: str) -> None:
        self.imports.update((module, name) for name in names)
