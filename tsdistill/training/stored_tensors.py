"""Steps of series that lie elsewhere: shuffled in blocks, and read ahead in a thread.

Such series are not in memory, or are too many for the memory of a GPU.

An epoch visits the series in blocks of consecutive rows. As many blocks as a pool holds, drawn from
all over the file, are read together, and the rows of a pool are shuffled. A pool ends where a step
does; while its steps are taken, a thread reads the next one. If all series fit into one pool, their
order is that of series in memory.
"""

import itertools
import math

import numpy as np
import torch

from tsdistill.inputs.stored import StoredPanel
from tsdistill.numerics.batches import ROWS_A_BATCH, batches, rows_that_fit
from tsdistill.numerics.logits import centred
from tsdistill.numerics.read_ahead import read_ahead
from tsdistill.numerics.tensors import as_tensor
from tsdistill.training.steps import TransferTensors

POOL_BYTES, BLOCK_BYTES = 32 * 2**20, 2**19
ROWS_AT_ONCE = 2**16
SHARE_OF_FREE = 0.5
"""Of a GPU's free memory: what the series may take there. Series with gaps stay whatever they take,
as those of unequal length do.
"""


def tensors_of(transfer_set, sample_weight, device):
    """The transfer set on the training device; its series a pool at a time where they must.

    Parameters
    ----------
    transfer_set, sample_weight, device
        As for :class:`~tsdistill.training.steps.TransferTensors`.
    """
    panel = transfer_set.panel
    stay = not isinstance(panel, StoredPanel) and (
        panel.nbytes <= SHARE_OF_FREE * free_bytes(device) or np.isnan(panel).any()
    )
    return (TransferTensors if stay else StoredTensors)(transfer_set, sample_weight, device)


def free_bytes(device):
    """Free memory of a GPU; infinity for other devices, where a copy costs no more than X does."""
    device = torch.device(device)
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else math.inf


def spread_over_pools(blocks, n_pools):
    """Blocks in the order of their pools, each of which has blocks from all over the file.

    The file is cut into parts of ``n_pools`` consecutive blocks, and each pool gets a random one of
    each part. So a file that is sorted by class has all classes in every pool, in their shares.

    Parameters
    ----------
    blocks : Tensor of shape (n_blocks,)
        In the order of the file.
    n_pools : int

    Returns
    -------
    blocks : Tensor of shape (n_blocks,)
        Those of the first pool, in random order, then those of the second, and so on.
    """
    n_parts = math.ceil(len(blocks) / n_pools)
    pool = torch.cat([torch.randperm(n_pools) for _ in range(n_parts)])[: len(blocks)]
    return blocks[torch.argsort(pool + torch.rand(len(blocks), dtype=torch.float64))]


class PooledPanel:
    """A stored panel as the steps see it: rows come from the pool at hand, others are read.

    Parameters
    ----------
    panel : StoredPanel
    device : torch.device
    """

    def __init__(self, panel, device):
        self.panel, self.device = panel, device
        self.rows = self.series = None

    def __len__(self):
        return len(self.panel)

    def __getitem__(self, rows):
        if self.rows is None:
            return as_tensor(self.panel[rows.cpu().numpy()]).to(self.device)
        return self.series[torch.searchsorted(self.rows, rows)]

    def read(self, rows):
        """A pool: its rows, sorted, and their series, in pinned memory if a GPU is to take them."""
        rows = np.unique(torch.cat(rows).numpy())
        pool = as_tensor(rows), as_tensor(self.panel[rows])
        if self.device.type != "cuda":
            return tuple(part.to(self.device) for part in pool)
        return tuple(part.pin_memory().to(self.device, non_blocking=True) for part in pool)


class StoredTensors(TransferTensors):
    """As TransferTensors, of a transfer set whose series are not in memory, or not to be moved.

    Answers, classes, weights and the plan lie on the training device; on the CPU they share the
    memory, or the file, of the transfer set. Series come to the device a pool at a time.
    """

    uneven = stays = False

    def _put_panel(self, panel):
        panel = panel if isinstance(panel, StoredPanel) else StoredPanel.of(panel)
        self.stored = panel
        self.pool_rows = max(rows_that_fit(panel.bytes_a_row, POOL_BYTES), panel.chunk_rows)
        # A pass without gradients takes several arrays of the size of its series and copies.
        self.rows_at_once = min(ROWS_A_BATCH, rows_that_fit(4 * panel.bytes_a_row))
        self.block_rows = max(rows_that_fit(panel.bytes_a_row, BLOCK_BYTES), panel.chunk_rows)
        return PooledPanel(panel, self.device)

    def _own_donors(self):
        return PooledPanel(self.stored, self.device)  # read row by row: no pool has them all

    def _changes(self, answers):
        changes = np.empty(len(answers.clean), dtype=np.float32)
        for part in batches(len(changes), ROWS_AT_ONCE):
            differences = centred(answers.clean[part][:, np.newaxis] - answers.perturbed[part])
            flat = np.abs(differences).reshape(len(differences), -1)
            changes[part] = flat.mean(axis=1, dtype=np.float64)
        return changes

    def pools(self, n_steps, largest_step):
        """Consecutive steps whose series fit into a pool, as slices of nearly equal lengths."""
        together = max(1, self.pool_rows // largest_step)
        n_pools = math.ceil(n_steps / together)
        ends = [round(i * n_steps / n_pools) for i in range(n_pools + 1)]
        return [slice(*ends_of_pool) for ends_of_pool in itertools.pairwise(ends)]

    def shuffled(self, positions, n_steps):
        n = len(positions)
        pools = self.pools(n_steps, math.ceil(n / n_steps)) if n else []
        if len(pools) < 2:
            return super().shuffled(positions, n_steps)
        starts = spread_over_pools(torch.arange(0, n, self.block_rows), len(pools))
        at = (starts[:, None] + torch.arange(self.block_rows)).flatten()
        order = positions[at[at < n]]
        del at  # it is as large as all classes or weights
        size, longer = divmod(n, n_steps)  # as tensor_split cuts
        for pool in pools:
            first, last = (end * size + min(end, longer) for end in (pool.start, pool.stop))
            order[first:last] = order[first:last][torch.randperm(last - first)]
        return order

    def interleaved(self, series, mixtures, n_steps):
        n = len(series) + len(mixtures)
        if not len(mixtures) or len(self.pools(n_steps, math.ceil(n / n_steps))) < 2:
            return super().interleaved(series, mixtures, n_steps)
        is_mixture = torch.zeros(n, dtype=torch.bool)
        is_mixture[torch.randperm(n)[: len(mixtures)]] = True
        together = torch.empty(n, dtype=series.dtype)
        together[is_mixture], together[~is_mixture] = mixtures, series
        return together

    def at_hand(self, rows_of_steps):
        slices = self.pools(len(rows_of_steps), max(map(len, rows_of_steps)))
        pools = [rows_of_steps[pool] for pool in slices]
        try:
            ahead = read_ahead(self.panel.read, pools)
            for steps in pools:
                self.panel.rows, self.panel.series = next(ahead)
                yield from steps
                self.panel.rows = self.panel.series = None  # before the next but one is read
        finally:
            self.panel.rows = self.panel.series = None
