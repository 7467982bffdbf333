"""Maps that a student has learnt to give in one forward pass."""

import numpy as np
import torch

from tsdistill.exceptions import StudentError
from tsdistill.explainers.base import Explainer
from tsdistill.numerics.batches import batches
from tsdistill.numerics.tensors import as_tensor
from tsdistill.students.extension import GivesMaps, find_extension
from tsdistill.teachers.bound import failures_named


def learnt_maps(model, panel, target, settings):
    """Maps from the autoencoder of a fitted student.

    Parameters
    ----------
    model : bound Teacher
        The student.
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    target : None
        Not used: maps are for the class that the teacher would predict.
    settings : ExplainerSettings
        ``per_channel`` is allowed only for series of one channel.

    Returns
    -------
    maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
            (n_instances, 1, n_timepoints), float32
        In units of the centred logit of that class.

    Raises
    ------
    StudentError
        If the student was trained without an autoencoder.
    """
    module = find_extension(model.module, GivesMaps)
    if module is None:
        raise StudentError(
            "method='autoencoder' needs a student trained with "
            "auxiliary=tsdistill.objectives.ExplanationAutoencoder(), and this one was not; use "
            "method='occlusion'."
        )
    device, halving = settings.options.device, settings.options.halving

    def maps_of(part):
        return module.learnt_maps(as_tensor(np.array(panel[part]), device)).cpu().numpy()

    maps = []
    with failures_named(model, panel), model.on_device(device), torch.no_grad():
        for batch in batches(len(panel)):
            maps += [found for _, found in halving.results(maps_of, batch, model)]
    maps = np.concatenate(maps)
    return maps[:, np.newaxis] if settings.per_channel else maps


AUTOENCODER = Explainer("autoencoder", learnt_maps, fills=(), own_maps_only=True)
