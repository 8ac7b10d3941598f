"""An app of ours whose extra is not installed says so in `check`, and measures nothing."""

from __future__ import annotations

from collections.abc import Callable

from django.core import checks


def connect_or_explain(connect: Callable[[], None], package: str, extra: str, app: str) -> None:
    """`connect()`; when it lacks `package`, register a system check that names the extra."""
    try:
        connect()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise

        def explain(**_: object) -> list[checks.CheckMessage]:
            return [
                checks.Warning(
                    f"{app} is installed, but {package} is not: nothing is measured.",
                    hint=f'Run pip install "django-reco-plugin[{extra}]".',
                    obj=app,
                    id="reco.W051",
                )
            ]

        checks.register(explain, "reco")
