"""The model card of a fitted classifier."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.holds_teacher import is_default, own_parameters, short_repr
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import as_list
from tsdistill.inputs.labels import target_indices
from tsdistill.students.building import CONFIGURATION
from tsdistill.students.extension import student_inside
from tsdistill.teachers.absent import AbsentTeacher
from tsdistill.teachers.adapters import name_of

if TYPE_CHECKING:
    from tsdistill.reporting.model_card import StudentFacts
    from tsdistill.reporting.report import FidelityReport

NOT_SHOWN = ("teacher", "student", "memory", "memory_size", "n_jobs", "verbose")
"""Parameters of the machine, and models, which the card shows elsewhere."""


class HasModelCard:
    """Mixin for the SaliencyDistilledClassifier: ``model_card``."""

    def model_card(
        self,
        report: "FidelityReport | None" = None,
        *,
        y: Any = None,
        name: str | None = None,
        data: str | None = None,
        license: str | None = None,
        repo_id: str | None = None,
    ) -> str:
        """A model card: what the student is, learnt from whom, how faithful, and for what.

        The card is Markdown after a head of YAML, as Hugging Face reads it from the ``README.md``
        of a model; there, "tabular-classification" is the nearest of the known tasks. Nothing is
        sent anywhere. Labels and names stay text, whatever characters they hold.

        Parameters
        ----------
        report : FidelityReport, default=None
            Of :meth:`fidelity_report`, for the evaluation. None: the card says that the student
            was not compared.
        y : array-like of shape (n_instances,), default=None
            The labels of ``fit``, for the number of series of each class. The classifier itself
            knows them only with ``warm_start``.
        name : str, default=None
            Name of the model. None takes that of ``repo_id``, or "tsdistill student".
        data : str, default=None
            Where the series come from, such as "UCR GunPoint".
        license : str, default=None
            Licence of the student, as Hugging Face abbreviates it, such as "bsd-3-clause".
        repo_id : str, default=None
            Repository from which the card shows how to load ``student.tsdistill``, such as
            "owner/name".

        Returns
        -------
        str
            The card, to be written to ``README.md`` in UTF-8.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ParameterError
            If ``report`` is no FidelityReport or one of other classes, ``y`` is empty or holds
            unknown labels, or another argument is no str.

        Examples
        --------
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktime.datasets import load_gunpoint
        >>> from tsdistill import SaliencyDistilledClassifier
        >>> X, y = load_gunpoint(split="train", return_type="numpyflat")
        >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
        >>> student = SaliencyDistilledClassifier(teacher, max_epochs=5, random_state=0).fit(X, y)
        >>> card = student.model_card(y=y, data="UCR GunPoint", license="bsd-3-clause")
        >>> for line in card.splitlines()[:3]:
        ...     print(line)
        ---
        license: "bsd-3-clause"
        library_name: "tsdistill"
        >>> [line for line in card.splitlines() if line.startswith("## ")][:3]
        ['## Model description', '## Intended use and limits', '## How to use']
        """
        from tsdistill.reporting.model_card import CardFields, make_model_card  # loads pandas

        check_is_fitted(self, "student_")
        fields = CardFields(name=name, data=data, license=license, repo_id=repo_id)
        return make_model_card(facts_of(self, y), report, fields)


def facts_of(classifier: Any, y: Any = None) -> "StudentFacts":
    """What a card says of a fitted classifier.

    Parameters
    ----------
    classifier : fitted SaliencyDistilledClassifier
    y : array-like of shape (n_instances,), default=None
        The labels of ``fit``.

    Returns
    -------
    facts : StudentFacts

    Raises
    ------
    ParameterError
        If ``y`` holds unknown labels.
    """
    from tsdistill.reporting.costs import n_bytes, n_weights
    from tsdistill.reporting.model_card import StudentFacts

    model, classes = classifier._student_model, classifier.classes_
    network, _ = student_inside(classifier.student_.module_)
    uneven, teacher = classifier._uneven_form, classifier.teacher_
    labelled, kept = None, getattr(classifier, "_transfer_set", None)
    if y is not None:
        labels = np.atleast_1d(np.asarray(y))
        if not labels.size:
            raise ParameterError("y is empty; expected the labels of fit, or None.")
        labelled = target_indices(labels, classes, len(labels), "y")
    elif kept is not None and kept.labels is not None:
        labelled = kept.class_index[: len(kept.labels)]
    absent = isinstance(teacher, AbsentTeacher)
    weights, size = n_weights(model), n_bytes(model)
    assert weights is not None and size is not None  # a student is a torch module
    return StudentFacts(
        classes=classes,
        n_channels=classifier.n_channels_in_,
        n_timepoints=classifier.n_timepoints_in_,
        lengths=classifier._series_lengths,
        gaps=uneven is not None and uneven.gaps,
        ndim=classifier.panel_ndim_,
        terms=classifier._terms,
        network=type(network).__name__.lstrip("_"),
        of_users=getattr(network, CONFIGURATION, None) is None,
        n_weights=weights,
        n_bytes=size,
        bits=classifier.n_bits_,
        teacher="It was not recorded in the file of the student" if absent else _name_of(teacher),
        n_queries=classifier.n_queries_,
        window=classifier._window_width,
        epochs=len(classifier.history_),
        seconds=sum(row["dur"] for row in classifier.history_),
        settings=_settings_of(classifier),
        class_counts=None if labelled is None else np.bincount(labelled, minlength=len(classes)),
    )


def _name_of(teacher: Any) -> str:
    named = name_of(teacher.model)
    members = as_list(teacher.model)
    return f"An ensemble of {len(members)}: {named}" if len(members) > 1 else named


def _settings_of(classifier: Any) -> Mapping[str, str]:
    """Parameters that differ from their defaults, as text."""
    signature = inspect.signature(type(classifier).__init__).parameters
    changed = {
        name: short_repr(value)
        for name, value in own_parameters(classifier).items()
        if name not in NOT_SHOWN and not is_default(value, signature[name].default)
    }
    if "callbacks" in changed:
        alone = [one[1] if isinstance(one, tuple) else one for one in classifier.callbacks]
        changed["callbacks"] = ", ".join(map(name_of, alone))
    if not is_default(classifier.student, "lite"):
        changed = {"student": short_repr(classifier.student)} | changed
    return changed
