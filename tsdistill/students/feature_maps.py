"""Reads the feature maps of a network, by forward hooks on the stages that are named."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tsdistill.exceptions import StudentError
from tsdistill.numerics.logits import first_output
from tsdistill.students.extension import student_inside


def stages_of(
    network: nn.Module,
    names: Sequence[str] | None = None,
    whose: str = "student",
    argument: str | None = None,
) -> tuple[str, ...]:
    """Names of the submodules whose outputs are a network's feature maps.

    Parameters
    ----------
    network : torch.nn.Module
    names : sequence of str, default=None
        Names in ``network.named_modules()``. None takes the attribute ``stages`` of the network,
        which the students of this library have.
    whose : str, default="student"
        Role of the network, for errors.
    argument : str, default=None
        What takes the names, for errors. Default: ``student_stages`` or ``teacher_stages``.

    Returns
    -------
    names : tuple of str
        Names of one stage or more, within the network.

    Raises
    ------
    StudentError
        If no stages are declared or named, or a name is unknown.
    """
    argument = f"{whose}_stages" if argument is None else argument
    inner, prefix = student_inside(network)
    declared = getattr(inner, "stages", None)
    if not (isinstance(declared, (list, tuple)) and all(isinstance(n, str) for n in declared)):
        declared = None  # an unrelated attribute of that name
    if names is None and declared is None:
        candidates = [name for name, part in inner.named_modules() if name and _may_be_stage(part)]
        raise StudentError(
            f"{whose} {type(inner).__name__} does not say which of its modules give feature "
            f"maps; name them with {argument}, such as {tuple(candidates[:3])} "
            f"({len(candidates)} modules look suitable)."
        )
    modules = dict(inner.named_modules(remove_duplicate=False))
    names = declared if names is None else [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)):
        raise StudentError(f"{argument}={names!r}; expected a module name or a list of them.")
    unknown = [name for name in names if name not in modules]
    if unknown or not names:
        raise StudentError(
            f"{argument} names {unknown or 'no stage'}, but the modules of "
            f"{type(inner).__name__} are {sorted(name for name in modules if name)}."
        )
    return tuple(prefix + name for name in names)


def feature_maps(
    network: nn.Module, stages: Sequence[str], ask: Callable[[], object], n_instances: int
) -> list[Tensor]:
    """Run a network, and record the outputs of its stages.

    Parameters
    ----------
    network : torch.nn.Module
    stages : sequence of str
    ask : callable () -> anything
        Runs the network once.
    n_instances : int
        Number of series on which it runs.

    Returns
    -------
    maps : list of Tensor of shape (n_instances, n_features, length)
        The length differs between stages; for recurrent layers it is n_timepoints.

    Raises
    ------
    StudentError
        If a stage is not run, or its output is not a map over time.
    """
    modules, seen = dict(network.named_modules(remove_duplicate=False)), {}

    def note(name):
        def hook(module, given, output):
            found = _over_time(module, output)
            # The next layer may work in place.
            seen[name] = found.clone() if isinstance(found, torch.Tensor) else found

        return hook

    with contextlib.ExitStack() as stack:
        for name in stages:
            stack.callback(modules[name].register_forward_hook(note(name)).remove)
        ask()
    for name in stages:
        if name not in seen:
            raise StudentError(f"stage {name!r} of {type(network).__name__} was not run.")
        _check_map(network, name, seen[name], n_instances)
    return [seen[name] for name in stages]


def map_and_slopes(
    network: nn.Module,
    stage: str,
    score: Callable[[], Tensor],
    n_instances: int,
    *,
    create_graph: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run a network, and record the output of one stage and how a score depends on it.

    Parameters
    ----------
    network : torch.nn.Module
    stage : str
    score : callable () -> Tensor, a scalar
        Runs the network once.
    n_instances : int
        Number of series on which it runs.
    create_graph : bool, default=False
        Whether both results can be differentiated again.

    Returns
    -------
    maps, slopes : Tensor of shape (n_instances, n_features, length)

    Raises
    ------
    StudentError
        If the stage is not run, its output is not a map over time, or the score does not depend
        on it.
    """
    module, outputs = dict(network.named_modules(remove_duplicate=False))[stage], []

    def keep(module, given, output):
        kept = first_output(output)
        outputs.append(kept)
        if not isinstance(kept, torch.Tensor):
            return None
        copied = kept.clone()  # the next layer may work in place
        return (copied, *output[1:]) if isinstance(output, tuple) else copied

    hook = module.register_forward_hook(keep)
    try:
        total = score()
    finally:
        hook.remove()
    if not outputs:
        raise StudentError(f"stage {stage!r} of {type(network).__name__} was not run.")
    output = outputs[-1]
    if not isinstance(output, torch.Tensor):
        _check_map(network, stage, output, n_instances)
    slopes = None
    if output.requires_grad and total.requires_grad:
        (slopes,) = torch.autograd.grad(total, output, create_graph=create_graph, allow_unused=True)
    if slopes is None:
        raise StudentError(
            f"the answers of {type(network).__name__} do not depend on the output of stage "
            f"{stage!r} in a way that torch can differentiate; name another stage."
        )
    maps, slopes = _over_time(module, output), _over_time(module, slopes)
    _check_map(network, stage, maps, n_instances)
    return maps, slopes


def _check_map(network, stage, found, n_instances):
    """Refuse the output of a stage that is not a map over time."""
    shape = tuple(getattr(found, "shape", ()))
    if len(shape) != 3 or shape[0] != n_instances:
        raise StudentError(
            f"stage {stage!r} of {type(network).__name__} gives {shape or type(found)} for "
            f"{n_instances} series; expected a map (n_instances, n_features, length). Name a "
            "stage before the pooling over time, in that layout."
        )


def _over_time(module, output):
    output = first_output(output)
    layers = (nn.TransformerEncoderLayer, nn.TransformerEncoder, nn.MultiheadAttention)
    if isinstance(module, layers) and isinstance(output, torch.Tensor) and output.ndim == 3:
        return output.transpose(1, 2) if _batch_first(module) else output.permute(1, 2, 0)
    if isinstance(module, nn.RNNBase) and isinstance(output, torch.Tensor):  # not packed
        return output.permute(0, 2, 1) if module.batch_first else output.permute(1, 2, 0)
    return output


def _batch_first(module):
    if isinstance(module, nn.TransformerEncoder):
        module = module.layers[0]
    return getattr(module, "self_attn", module).batch_first


def _may_be_stage(part):
    return isinstance(part, (nn.Conv1d, nn.RNNBase, nn.BatchNorm1d))
