"""How good a network is while it learns: the pictures held out, looked at as they will be looked at in use."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from reco_plugin.encoders import augment, judging, network, resuming, torches
from reco_plugin.encoders.resnet import standardised
from reco_plugin.encoders.torches import torch
from reco_plugin.encoders.work import Work
from reco_plugin.types import Floats

logger = logging.getLogger(__name__)


def look(work: Work, state: resuming.State, judge: judging.Judge, epoch: int, loss: float) -> None:
    """Judge what it knows by now, note it, and keep it if nothing was better."""
    figures = judge(lambda rows: encode(work, state.averaged, rows, work.lesson.recipe.size))
    size = work.lesson.recipe.size_at(epoch)
    state.history.append({"epoch": float(epoch), "size": float(size), "loss": loss, **figures})
    logger.info("epoch %d: loss %.3f, score %.4f", epoch, loss, figures["score"])
    state.keep_if_best(epoch, figures["score"])


def encode(work: Work, net: Any, rows: Any, size: int) -> Floats:
    """Embeddings of some pictures, without augmentation."""
    found = []
    net.eval()
    with torch.inference_mode(), torches.mixed(work.device, work.lesson.recipe.precision):
        for start in range(0, len(rows), 128):
            some = rows[start : start + 128]
            pixels = torch.from_numpy(np.ascontiguousarray(work.lesson.pictures[some]))
            pixels = pixels.to(work.device).permute(0, 3, 1, 2).float()
            found.append(net(standardised(augment.resized(pixels, size))).float().cpu().numpy())
            work.tell("look", min(start + 128, len(rows)), len(rows))
    return np.concatenate(found)


def before(work: Work, judge: judging.Judge) -> dict[str, float]:
    """The figures of what it starts from; of a network that knows nothing, where there is no start."""
    start = work.start
    if start is None:
        taught = work.lesson.recipe
        net = network.untrained(taught.architecture, taught.stem, work.lesson.seed)
        size = taught.size
    else:
        net, size = network.build(start), start.size
    net = net.to(work.device, memory_format=torch.channels_last)
    return dict(judge(lambda rows: encode(work, net, rows, size)))
