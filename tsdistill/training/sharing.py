"""Several processes, on a GPU each, train one student together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from skorch import NeuralNet
from skorch.callbacks import Callback

from tsdistill.exceptions import ParameterError


class ShareSteps(Callback):
    """Lets the processes of a group train one student: each takes its part of every step.

    Start the same script several times (``torchrun --nproc-per-node 4 script.py``), join the group
    by ``torch.distributed.init_process_group`` in each, and fit there with ``device="cuda:<rank>"``
    and this callback. All processes have to be given the same series and the same ``random_state``,
    an int. Gradients are averaged over the processes by series, before they are clipped, so a step
    is what it would be in one process, but that batch normalisation takes the statistics of a
    process's own part. All processes end with the same student.

    Each process asks the teacher about all series, unless ``memory`` names a folder that they
    share: then they share the questions (``docs/cluster.md``). ``history_`` has the mean losses of
    the process's own part. If one process fails, the others wait for it until the group's timeout;
    ``torchrun`` ends them before. In a skorch net of your own, put this callback before those that
    change gradients.

    Raises
    ------
    ParameterError
        In ``fit``, if the process has joined no group, or a step has too few series to share.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier : Takes it among its ``callbacks``.

    Examples
    --------
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> from tsdistill.training.sharing import ShareSteps
    >>> def train_on(rank, teacher, X, y):
    ...     torch.distributed.init_process_group("nccl")
    ...     student = SaliencyDistilledClassifier(
    ...         teacher, callbacks=[ShareSteps()], device=f"cuda:{rank}", random_state=0
    ...     )
    ...     return student.fit(X, y)
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Take weights and buffers from the first process.

        Parameters
        ----------
        net : skorch.NeuralNet
            The student's net.
        **kwargs : dict
            What else skorch passes to callbacks.
        """
        if not (dist.is_available() and dist.is_initialized()):
            raise ParameterError(
                "callbacks holds ShareSteps, but this process has joined no group; call "
                "torch.distributed.init_process_group in each process first, or start the script "
                "by torchrun."
            )
        net.iterator_train__share = dist.get_rank(), dist.get_world_size()
        self._take_from_first(net.module_.parameters())
        self._take_from_first(net.module_.buffers())
        self.buffers_differ_ = False

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        """Take the buffers from the first process when held-out series follow on a training.

        Parameters
        ----------
        net : skorch.NeuralNet
            The student's net.
        training : bool, default=False
            Whether the batch is one to train on.
        **kwargs : dict
            What else skorch passes to callbacks.
        """
        if not training and self.buffers_differ_:  # held-out losses are the same everywhere
            self._take_from_first(net.module_.buffers())
        self.buffers_differ_ = training

    def on_grad_computed(
        self,
        net: NeuralNet,
        named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
        batch: Any = None,
        **kwargs: Any,
    ) -> None:
        """Average the gradients over the processes, by series.

        Parameters
        ----------
        net : skorch.NeuralNet
            The student's net.
        named_parameters : iterable of (str, Parameter)
            The weights, whose gradients are replaced.
        batch : tuple of (inputs, targets)
            The process's own part of the step.
        **kwargs : dict
            What else skorch passes to callbacks.
        """
        gradients = [one.grad for _, one in named_parameters if one.grad is not None]
        n_series = len(batch[1]["labels"])
        parts = [n_series * one.flatten() for one in gradients]
        together = torch.cat([*parts, parts[0].new_full((1,), n_series)])
        dist.all_reduce(together)
        means = torch.split(together[:-1] / together[-1], [one.numel() for one in gradients])
        for one, mean in zip(gradients, means, strict=True):
            one.copy_(mean.view_as(one))

    @staticmethod
    @torch.no_grad()
    def _take_from_first(tensors: Iterable[torch.Tensor]) -> None:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def part_of_step(
    rows: torch.Tensor, copied: torch.Tensor | None, share: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """One process's part of a step: every n-th series, and those of its copied series.

    Parameters
    ----------
    rows : Tensor of shape (n_rows,), int64
    copied : Tensor of shape (n_copied,), int64, or None
        Positions in ``rows``.
    share : tuple of int
        Number of the process, and of all processes.

    Returns
    -------
    rows, copied : as given

    Examples
    --------
    >>> rows, copied = part_of_step(torch.tensor([7, 3, 9, 4]), torch.tensor([0, 1, 2]), (0, 2))
    >>> rows.tolist(), copied.tolist()
    ([7, 9], [0, 1])
    """
    number, n_processes = share
    mine = rows[number::n_processes]
    if copied is not None:
        copied = copied[copied % n_processes == number].div(n_processes, rounding_mode="floor")
    return mine, copied


def check_share(n_series: int, n_steps: int, share: tuple[int, int]) -> None:
    """Raise ParameterError if a step has less than two series for each process."""
    fewest, n_processes = n_series // n_steps, share[1]
    if n_processes > 1 and fewest < 2 * n_processes:
        raise ParameterError(
            f"{n_processes} processes share the steps (ShareSteps), of which some have {fewest} "
            f"series; expected {2 * n_processes} or more, two for each process. Pass a larger "
            "batch_size, or use fewer processes."
        )
