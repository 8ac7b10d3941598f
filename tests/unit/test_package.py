"""What is installed is what is tested."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import reco_plugin


def test_the_version_is_the_distribution_s():
    assert metadata.version("django-reco-plugin") == reco_plugin.__version__


def test_the_package_is_typed():
    assert resources.files("reco_plugin").joinpath("py.typed").is_file()


@pytest.mark.skipif("TOX_ENV_NAME" not in os.environ, reason="only tox installs the wheel")
def test_the_wheel_is_tested_and_not_the_tree():
    assert Path(reco_plugin.__file__).is_relative_to(sys.prefix)


def test_public_names_are_lazy():
    script = "import sys, reco_plugin, reco_plugin.types; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = reco_plugin.nonsense


@pytest.mark.parametrize(("words", "code"), [([], 2), (["frob"], 2), (["--help"], 0)])
def test_the_module_answers_what_it_does_not_know_with_its_usage(words, code):
    ended = subprocess.run(
        [sys.executable, "-m", "reco_plugin", *words], check=False, capture_output=True, text=True
    )
    assert ended.returncode == code
    assert "init [app.Product]" in ended.stdout + ended.stderr
