"""Copies of skorch callbacks, and of nets with callbacks, that leave the user's own as they are.

scikit-learn's ``clone`` copies whatever a callback was given, also what stands for something
outside: a writer of TensorBoard and a run of MLflow cannot be copied, and the copy of a trial of
Optuna reports to a study of which nobody reads. Here such arguments are shared.
"""

import copy
import inspect
from typing import Any

from sklearn.base import clone
from skorch import NeuralNet
from skorch.callbacks import Callback

VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def copied_callbacks(callbacks: Any) -> Any:
    """Callbacks made anew from their arguments, which they share with the given ones.

    A callback that refers to another one of the list, as ``LoadInitState`` does, refers to the
    copy of that one. Of a callback that does not keep its arguments under their names, its
    attributes are shared.

    Parameters
    ----------
    callbacks : None, str, Callback, or list of callbacks, their classes, and (name, callback)

    Returns
    -------
    copied : as callbacks
    """
    if not isinstance(callbacks, (list, tuple)):
        return _made_anew(callbacks)
    pairs = [one if isinstance(one, tuple) else (None, one) for one in callbacks]
    made = {id(one): _made_anew(one) for _, one in pairs}
    for one in made.values():
        if isinstance(one, Callback):
            vars(one).update(
                (name, made[id(value)]) for name, value in vars(one).items() if id(value) in made
            )
    copied = [made[id(one)] if name is None else (name, made[id(one)]) for name, one in pairs]
    return type(callbacks)(copied)


def clone_net(net: NeuralNet) -> NeuralNet:
    """A clone of a net as scikit-learn makes it, but for its callbacks: see copied_callbacks.

    Parameters
    ----------
    net : skorch.NeuralNet

    Returns
    -------
    cloned : skorch.NeuralNet
        Neither initialised nor fitted.
    """
    parameters = {}
    for name, value in net.get_params(deep=False).items():
        if name.partition("__")[0] == "callbacks":  # also callbacks__print_log and the like
            parameters[name] = copied_callbacks(value)
        else:
            parameters[name] = clone(value, safe=False)
    return type(net)(**parameters)


def _made_anew(callback):
    if not isinstance(callback, Callback):
        return callback  # a class, "disable", or a value of a callback's parameter
    arguments = callback.get_params(deep=False)
    takes = inspect.signature(type(callback)).parameters.values()
    if all(one.name in arguments for one in takes if one.kind not in VARIABLE):
        try:
            made = type(callback)(**arguments)
            kept = made.get_params(deep=False)
        except Exception:  # the user's constructor may raise anything
            return copy.copy(callback)
        if kept.keys() == arguments.keys() and all(kept[k] is arguments[k] for k in kept):
            return made
    return copy.copy(callback)
