"""How a check is registered with Django."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

Messages: TypeAlias = Iterator[CheckMessage]


def check(
    *tags: str, deploy: bool = False
) -> Callable[[Callable[..., Messages]], Callable[..., list[CheckMessage]]]:
    """Register a check; what a setting of the wrong type breaks is left to reco.E006.

    One for `deploy` only runs under `check --deploy`.
    """

    def decorate(question: Callable[..., Messages]) -> Callable[..., list[CheckMessage]]:
        def run(*_: object, **options: Any) -> list[CheckMessage]:
            found: list[CheckMessage] = []
            try:
                found.extend(question(options.get("databases") or ()))
            except ImproperlyConfigured:
                return found
            return found

        # functools.wraps would show Django the signature of `question`, which takes no keywords
        run.__name__, run.__doc__ = question.__name__, question.__doc__
        register(run, "reco", *tags, deploy=deploy)
        return run

    return decorate
