"""Networks that translate as they were trained: each picture's own statistics, and dropout on.

So pix2pix's authors translate (Isola et al. 2017, arXiv 1611.07004, section 3.4: "we apply dropout at test time, and
we apply batch normalization using the statistics of the test batch, rather than aggregated statistics of the training
batch"). Trained on one picture at a time, batch norm never saw the aggregated statistics at work.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


@contextmanager
def as_trained(network: nn.Module, *, seed: int) -> Iterator[None]:
    """Batch norms read the statistics of the batch, and dropout drops; neither leaves a trace in the network.

    Args:
        network: in evaluation mode, in which it is left.
        seed: of what is dropped; the process's own randomness stays as it is.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    drops = [module for module in network.modules() if isinstance(module, _DropoutNd)]
    tracked = [norm.track_running_stats for norm in norms]
    devices = sorted({parameter.device.index for parameter in network.parameters() if parameter.is_cuda})
    try:
        for norm in norms:
            norm.track_running_stats = False
        for module in (*norms, *drops):
            module.train()
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            yield
    finally:
        for norm, tracks in zip(norms, tracked, strict=True):
            norm.track_running_stats = tracks
        for module in (*norms, *drops):
            module.eval()


def draws(network: nn.Module) -> bool:
    """Whether a network has dropout, so that each seed gives another answer."""
    return any(isinstance(module, _DropoutNd) and module.p > 0 for module in network.modules())
