"""`{settings}`: a table of every RECO_* setting, read from the settings object itself."""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class SettingsDirective(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from django.conf import settings

        if not settings.configured:
            settings.configure()
        from reco_plugin import conf

        rows = ["| setting | type | default | |", "|---|---|---|---|"]
        for setting in conf.documented():
            kinds = " or ".join(kind.__name__ for kind in setting.kind)
            rows.append(f"| `{setting.name}` | {kinds} | `{setting.default!r}` | {setting.doc} |")
        container = nodes.container()
        self.state.nested_parse(StringList(rows), self.content_offset, container)
        return list(container.children)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", SettingsDirective)
    return {"parallel_read_safe": True}
