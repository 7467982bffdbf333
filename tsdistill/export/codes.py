"""Finds the whole numbers behind weights that were rounded and then folded, padded or joined."""

import numpy as np

ROUNDING_ERROR = 1e-6


class CodesOf:
    """Finds codes and scales of a weight, if it was made of rounded weights.

    Weights may have been padded, joined or transposed since, and their outputs multiplied by the
    factors of a batch normalisation. So each output is compared with the codes of all outputs.

    Parameters
    ----------
    rounding : Rounding
    """

    def __init__(self, rounding):
        known = {}
        for codes in rounding.codes.values():
            for row in codes.reshape(len(codes), -1).astype(np.float32):
                known.setdefault(np.count_nonzero(row), []).append(row[row != 0])
        self._known = {count: np.stack(rows) for count, rows in known.items()}

    def __call__(self, weight):
        """Codes and scales of a weight.

        Parameters
        ----------
        weight : ndarray of float32

        Returns
        -------
        axis : int
            That of the outputs.
        codes : ndarray of int8
        scale : ndarray of shape (n_outputs,), float32

        None instead of these if some output is no multiple of known codes.
        """
        if weight.ndim < 2 or not weight.size:
            return None
        for axis in range(weight.ndim):
            rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
            scale = np.array([self._scale_of(row) for row in rows], dtype=np.float32)
            if np.isfinite(scale).all():
                shape = [-1 if one == axis else 1 for one in range(weight.ndim)]
                return axis, np.rint(weight / scale.reshape(shape)).astype(np.int8), scale
        return None

    def _scale_of(self, row):
        """The number of which a row is a multiple, by some known codes; NaN if there is none."""
        values = row[row != 0]
        if not len(values):
            return 1.0
        codes = self._known.get(len(values))
        if codes is None:
            return np.nan
        scale = codes @ values / (codes**2).sum(axis=1)
        error = np.abs(codes * scale[:, np.newaxis] - values).max(axis=1)
        best = error.argmin()
        return scale[best] if error[best] <= ROUNDING_ERROR * np.abs(values).max() else np.nan
