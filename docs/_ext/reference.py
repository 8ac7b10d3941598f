"""`{settings}`, `{commands}` and `{checks}`: reference tables, read from the code itself."""

import argparse
import re
from collections.abc import Iterator
from importlib import import_module

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def settings_lines() -> Iterator[str]:
    from reco_plugin import conf

    yield from ("| setting | type | default | |", "|---|---|---|---|")
    for setting in conf.documented():
        kinds = " or ".join(kind.__name__ for kind in setting.kind)
        yield f"| `{setting.name}` | {kinds} | `{setting.default!r}` | {setting.doc} |"


def checks_lines() -> Iterator[str]:
    from reco_plugin import checks

    for line in str(checks.__doc__).splitlines():
        if line.startswith("|"):
            yield re.sub(r"\b(reco\.[EW]\d{3})\b", r"`\1`", line)


def placements_lines() -> Iterator[str]:
    from reco_plugin.placements import PRESETS

    yield from ("| page | placement | kinds | fallback | most |", "|---|---|---|---|---|")
    for spec in PRESETS:
        kinds = ", ".join(
            f"`{share.kind}`" + (f" ({share.weight:g})" if share.weight != 1 else "")
            for share in spec.kinds
        )
        fallback = ", ".join(f"`{kind}`" for kind in spec.fallback) or "none"
        yield f"| {spec.page} | `{spec.slug}` | {kinds} | {fallback} | {spec.max_items} |"


def command_lines(name: str) -> Iterator[str]:
    command = import_module(f"reco_plugin.management.commands.{name}").Command()
    parser = command.create_parser("manage.py", name)
    yield from (command.help, "", "| option | |", "|---|---|")
    yield from _options(parser, common={*_common(), "--help"})


def _options(parser: argparse.ArgumentParser, common: set[str], before: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help for choice in action._choices_actions}
            for word, below in action.choices.items():
                yield f"| `{before}{word}` | {told[word]} |"
                yield from _options(below, common, f"{before}{word} ")
        elif not common.intersection(action.option_strings):
            yield f"| `{before}{_usage(action)}` | {action.help} |"


def _usage(action: argparse.Action) -> str:
    name = action.option_strings[-1] if action.option_strings else ""
    value = "" if action.nargs == 0 else (action.metavar or action.dest.upper())
    if action.choices:
        value = "/".join(map(str, action.choices))
    return f"{name} {value}".strip()


def _common() -> set[str]:
    """What Django gives every command."""
    from django.core.management.base import BaseCommand

    parser = BaseCommand().create_parser("manage.py", "any")
    return {option for action in parser._actions for option in action.option_strings}


class Table(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        self.state.nested_parse(StringList(self.lines()), self.content_offset, container)
        return list(container.children)

    def lines(self) -> list[str]:
        raise NotImplementedError


class SettingsDirective(Table):
    def lines(self) -> list[str]:
        return list(settings_lines())


class ChecksDirective(Table):
    def lines(self) -> list[str]:
        return list(checks_lines())


class PlacementsDirective(Table):
    def lines(self) -> list[str]:
        return list(placements_lines())


class CommandDirective(Table):
    required_arguments = 1

    def lines(self) -> list[str]:
        return list(command_lines(self.arguments[0]))


def set_up_django() -> None:
    """A shop of the least size that the app can be loaded in; no database is asked."""
    import django
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=[
                "django.contrib.contenttypes",
                "django.contrib.auth",
                "reco_plugin",
            ],
            RECO_PRODUCT_MODEL="auth.Group",
        )
        django.setup()


def setup(app: Sphinx) -> dict[str, bool]:
    set_up_django()
    app.add_directive("settings", SettingsDirective)
    app.add_directive("checks", ChecksDirective)
    app.add_directive("placements", PlacementsDirective)
    app.add_directive("command", CommandDirective)
    return {"parallel_read_safe": True}
