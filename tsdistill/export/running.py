"""Runs a program in NumPy, one operation after another, to compare it with its network."""

import numpy as np


def run(program, series):
    """The result of a program for one series.

    Parameters
    ----------
    program : Program
    series : ndarray of shape (n_channels, n_timepoints), float32

    Returns
    -------
    result : ndarray of shape (n_classes,)
    """
    values = {0: series.astype(np.float64)}
    for step in program.steps:
        shape = program.shapes[step.output]
        weights = {name: weight.values.astype(np.float64) for name, weight in step.weights.items()}
        inputs = [values[number] for number in step.inputs]
        y = _RUN[step.operation](*inputs, shape=shape, **step.settings, **weights)
        values[step.output] = np.maximum(y, 0.0) if step.relu else y
    return values[program.result].ravel()


def _affine(x, shape, shift, scale, offset):
    return (x - shift[:, None]) * scale[:, None] + offset[:, None]


def _fill(x, shape, heed):
    missing, time = np.isnan(x), np.arange(x.shape[1])
    filled = [np.interp(time, time[~m], one[~m]) for one, m in zip(x, missing, strict=True)]
    return np.concatenate([np.array(filled), heed[:, None] * missing])


def _windows(x, width, shape, stride, padding, padded, dilation=1, fill=0.0):
    """Windows (n_channels, n_places, width) of a map."""
    around = np.pad(x, ((0, 0), (padding, padded - padding)), constant_values=fill)
    places = np.arange(shape[1])[:, None] * stride + np.arange(width) * dilation
    return around[:, places]


def _conv(x, shape, stride, padding, padded, dilation, groups, weight, bias):
    windows = _windows(x, weight.shape[2], shape, stride, padding, padded, dilation)
    parts = zip(np.split(windows, groups), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum("itk,oik->ot", w, k) for w, k in parts]) + bias[:, None]


def _max_pool(x, shape, length, stride, padding, padded):
    return _windows(x, length, shape, stride, padding, padded, fill=-np.inf).max(axis=2)


def _join(*parts, shape):
    return np.concatenate([part.ravel() for part in parts]).reshape(shape)


def _linear(x, shape, weight, bias):
    return (weight @ x.ravel() + bias)[:, None]


def _gru(x, shape, backwards, weight_ih, weight_hh, bias_ih, bias_hh):
    y, state = np.empty(shape), np.zeros(shape[0])
    for t in range(shape[1])[:: -1 if backwards else 1]:
        read = np.split(weight_ih @ x[:, t] + bias_ih, 3)
        own = np.split(weight_hh @ state + bias_hh, 3)
        reset, update = (1 / (1 + np.exp(-(read[i] + own[i]))) for i in (0, 1))
        state = (1 - update) * np.tanh(read[2] + reset * own[2]) + update * state
        y[:, t] = state
    return y


_RUN = {
    "affine": _affine,
    "fill": _fill,
    "conv": _conv,
    "relu": lambda x, shape: np.maximum(x, 0.0),
    "add": lambda x, z, shape: x + z,
    "max_pool": _max_pool,
    "mean": lambda x, shape: x.mean(axis=1, keepdims=True),
    "last": lambda x, shape: x[:, -1:],
    "join": _join,
    "linear": _linear,
    "gru": _gru,
}
