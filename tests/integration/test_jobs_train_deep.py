"""A personal run that LightGCN learns: judged, published and asked as any other."""

from __future__ import annotations

import numpy as np
import pytest
from jobs_shop import history, products
from testapp.models import Product

from reco_plugin import backends
from reco_plugin.jobs.publish import active_run, handle
from reco_plugin.jobs.sync_items import sync_items
from reco_plugin.jobs.train import train
from reco_plugin.models import Interaction, RunStatus
from reco_plugin.trainers.deep import torches

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not torches.is_installed(), reason="the extra `deep`"),
]


def test_from_the_log_to_a_live_run_and_a_product_born_later(settings, tmp_path):
    settings.RECO_ARTEFACT_DIR = str(tmp_path)
    settings.RECO_TRAINER = "lightgcn"
    settings.RECO_TRAINER_CONFIG = {"dimensions": 16, "epochs": 15, "learning_rate": 0.05}
    settings.RECO_TRAIN_THREADS = 1
    settings.RECO_TRAIN_MEMORY_MB = 600  # far less than torch maps
    settings.RECO_MIN_INTERACTIONS = 100
    settings.RECO_MIN_SHOPPERS = 5
    settings.RECO_STORE = "numpy"
    made = products()
    history(made)
    run = train(evaluate=False)
    assert (run.status, run.error) == (RunStatus.PUBLISHED, "")
    assert not [gate["name"] for gate in run.gates if gate["passed"] is False]
    assert active_run(1, "personal") == run
    store = backends.store(run.store)
    first = Interaction.objects.earliest("pk")
    past = store.history(handle(run), first.shopper, 30)
    assert np.linalg.norm(past.vector) == pytest.approx(1, abs=1e-3)
    newborn = Product.objects.create(label="Boots of tomorrow", maker="Maker 1", cents=505)
    newborn.shelves.set(made[0].shelves.all())
    assert sync_items().vectors == 1
    assert len(store.neighbours(handle(run), newborn.pk, 10)) == 10
