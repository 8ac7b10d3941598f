"""What can be measured on this log, what cannot, and why, in plain words."""

from __future__ import annotations

import numpy as np

from reco_plugin.evaluation.log import Log
from reco_plugin.evaluation.protocols import Protocol
from reco_plugin.ranking.folds import Fold
from reco_plugin.trainers.trending import DAY
from reco_plugin.types import Features

FEW = 200
"""Requests below which an interval says next to nothing."""
STALE = 0.25
"""Newest share of the log's time in which an item that is still sold should have been wanted."""


def cannot(log: Log, protocol: Protocol, features: Features | None = None) -> str:
    """Why this protocol cannot be run on this log; empty when it can."""
    past = log.past
    if protocol.needs_time and past.at is None:
        return (
            f"{protocol.name} cannot be measured: the log has no times, only an order. Protocols that need "
            "none: leave-last-out, next-in-visit."
        )
    if protocol.needs_baskets and past.basket is None:
        return (
            f"{protocol.name} cannot be measured: the log does not say which events belong to one basket. "
            "Add a column `basket` (an order or invoice number)."
        )
    if protocol.needs_features and features is None:
        return (
            f"{protocol.name} cannot be measured: nothing is known of the items beside who took them. Give "
            "--attributes, or a column `title` in the log."
        )
    if log.asked is None and past.lengths.max(initial=0) < 2:
        return (
            f"{protocol.name} cannot be measured: no shopper has more than one event, so nothing is left to "
            "ask after something is known of them. Only popularity can be served from such a log."
        )
    return ""


def empty(protocol: Protocol) -> str:
    """What is said when the cut leaves nobody to ask."""
    met = "" if protocol.repeats else " What a shopper met before does not count."
    return (
        f"{protocol.name} cannot be measured: after the cut no shopper has both something before it and "
        f"something that counts after it.{met}"
    )


def strange(protocol: Protocol, fold: Fold, features: Features | None) -> str:
    """Why features tell nothing of the items that are asked for; empty when they do, or need not."""
    if not protocol.needs_features or features is None or fold.requests.eligible is None:
        return ""
    told = np.diff(features.matrix.indptr) > 0
    asked, known = told & fold.requests.eligible, told & (fold.train.counts() > 0)
    if asked.any() and known.any():
        return ""
    which = "others" if asked.any() else "the new items"
    return (
        f"{protocol.name} cannot be measured: nothing is known of {which} beside who took them, so the two cannot "
        "be compared. Tell features of more items."
    )


def remarks(log: Log, protocol: Protocol, fold: Fold) -> list[str]:
    """Sentences for a reader of the figures."""
    past, asked = log.past, len(fold.requests)
    single = int((past.lengths == 1).sum())
    rows = "visits" if protocol.sessions else "shoppers"
    size = f"{len(past.items):,} events of {len(past):,} {rows} and {past.n_items:,} items"
    found = [f"{size}; {asked:,} requests: {protocol.question}."]
    if log.dropped:
        told = ", ".join(f"{count:,} {why}" for why, count in log.dropped.items())
        found.append(
            f"Of {log.read + log.dropped.get('in a later file too', 0):,} rows left out: {told}."
        )
    if past.at is None:
        found.append(
            "No times: the order of the log is taken for theirs, and trends cannot be used."
        )
    if single and not protocol.sessions:
        found.append(f"{single:,} shoppers have one event: they teach, but cannot be asked.")
    if log.ties > 0.01:
        found.append(
            f"{log.ties:.0%} of the events are at the same moment as the shopper's one before: among these "
            "the order is that of the file, and what follows what means little."
        )
    found += _gone(log) + _stale(log) + _few(asked)
    return found


def _gone(log: Log) -> list[str]:
    if not log.gone:
        return []
    return [
        f"{log.gone:,} items cannot be bought any more: they teach, but are neither shown nor looked for."
    ]


def _stale(log: Log) -> list[str]:
    past = log.past
    if log.gone is not None or past.at is None or past.at.max() - past.at.min() < 60 * DAY:
        return []
    newest = past.at > past.at.max() - STALE * (past.at.max() - past.at.min())
    sold = np.bincount(past.items[newest], minlength=past.n_items) > 0
    gone = int((~sold & (past.counts() > 0)).sum())
    if gone < 0.02 * past.n_items:
        return []
    late = (
        f"{gone:,} items were not wanted in the last {STALE:.0%} of the time and may be off sale."
    )
    return [f"{late} The log does not say so, so they stay candidates for every model."]


def _few(asked: int) -> list[str]:
    if asked >= FEW:
        return []
    wide = "intervals are so wide that hardly any difference between models can be told"
    return [f"Only {asked} requests: {wide}. Take the figures as a trial of the path."]
