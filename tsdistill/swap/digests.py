"""SHA-256 digests of what a contract was checked on, so that evidence names it."""

import hashlib
import json

import numpy as np


def digests_of(panel, labels, network, answers):
    """Digests of the series, the labels, the student's weights, and the teacher's answers.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    labels : ndarray of shape (n_instances,), or None
    network : torch.nn.Module
    answers : ndarray of shape (n_instances, n_classes), float32, or None
        Log-probabilities.

    Returns
    -------
    digests : dict of str to str
        "series", "student", "labels" (of their JSON) and "teacher_answers"; without those that
        are None.
    """
    state = sorted(network.state_dict().items())
    weights = {name: tensor.detach().cpu().numpy() for name, tensor in state}
    digests = {"series": digest_of({"series": panel}), "student": digest_of(weights)}
    if labels is not None:
        text = json.dumps(np.asarray(labels).tolist(), default=str)
        digests["labels"] = hashlib.sha256(text.encode()).hexdigest()
    if answers is not None:
        digests["teacher_answers"] = digest_of({"answers": answers})
    return digests


def digest_of(arrays):
    """SHA-256 of arrays by name: of a line with name, dtype and shape of each, and its bytes.

    Examples
    --------
    >>> import numpy as np
    >>> digest_of({"series": np.zeros((1, 2), dtype=np.float32)})[:8]
    '55979f54'
    """
    found = hashlib.sha256()
    for name, array in arrays.items():
        array = np.ascontiguousarray(array)
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(array.tobytes())
    return found.hexdigest()
