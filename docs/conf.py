"""Sphinx configuration. The reference of settings, commands and checks is generated from the code."""

import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "django-reco-plugin"
copyright = "2026, The reco_plugin team"  # noqa: A001 - the name Sphinx reads
release = metadata.version("django-reco-plugin")
version = ".".join(release.split(".")[:2])
extensions = ["myst_parser", "reference"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "django-reco-plugin"
html_static_path = ["_static"]
