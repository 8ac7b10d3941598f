"""Can what the live blend learnt be read, and can its ranker be learnt here?"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from reco_plugin import conf
from reco_plugin.doctor.finding import Finding, ok, warning
from reco_plugin.jobs.publish import active_run
from reco_plugin.pipeline import blending
from reco_plugin.ranking.rankers import LAMBDAMART

NAME = "training.blend"
INSTALL = "python -m pip install 'django-reco-plugin[lightgbm]'"
LEARN = "python manage.py reco_train --kind blend"


def ranker(site: int) -> Iterator[Finding]:
    if conf.settings.RANKER == LAMBDAMART and find_spec("lightgbm") is None:
        yield warning(
            NAME,
            "RECO_RANKER asks for LambdaMART, and LightGBM is not installed: the blend learns a linear ranker.",
            INSTALL,
            docs="explanation/blend",
        )
    run = active_run(site, blending.KIND)
    if run is None:
        return
    if amiss := blending.trouble(run.config):
        words = amiss.removesuffix(blending.AGAIN).rstrip()
        yield warning(NAME, f"The live blend, run {run.pk}: {words}", LEARN, "explanation/blend")
    else:
        yield ok(NAME, "What the live blend learnt can be read.")
