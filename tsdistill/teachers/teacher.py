"""Any classifier, behind one interface that gives log-probabilities.

:class:`Teacher` is the only class that other packages use. It queries its model by an adapter:
for a torch module (logits), a skorch net, ``predict_proba``, ``decision_function``, a callable,
or an average of these. scikit-learn's introspection is never called on a teacher, since
classifiers of other libraries lack its tags.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from tsdistill.exceptions import TeacherError
from tsdistill.inputs.checks import check_positive
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.labels import few
from tsdistill.inputs.panel import in_layout
from tsdistill.inputs.types import Float32Array, FloatArray, IntArray, LabelArray
from tsdistill.numerics.logits import SMALLEST_PROBABILITY
from tsdistill.teachers.adapters import (
    AverageAdapter,
    DecisionAdapter,
    adapter_for,
    is_skorch_net,
    name_of,
)
from tsdistill.teachers.bound import BoundTeacher
from tsdistill.teachers.calibration import factor_of
from tsdistill.teachers.class_alignment import (
    check_decision_values,
    classes_of_columns,
    decoded_labels,
    select_columns,
)
from tsdistill.teachers.fitting import check_can_classify, fit_clone, is_fitted
from tsdistill.teachers.layouts import check_declared_shape, find_layout
from tsdistill.teachers.types import Scale, TeacherLike


class Teacher(BoundTeacher):
    """A classifier with a label for each column of its answers.

    Users need this class to name the classes of a bare module or callable, or to scale logits. Any
    classifier can be passed to :class:`~tsdistill.SaliencyDistilledClassifier` as it is.

    Parameters
    ----------
    model : classifier, torch.nn.Module, callable, or list of these
        A classifier with ``predict_proba`` or else ``decision_function``; a skorch net; a
        module that returns logits; a callable that returns probabilities for series in the shape
        that the user passes; or a list of these, whose probabilities are averaged.
    classes : array-like of shape (n_classes,), optional
        The label of each column of the model's answers. Default: the model's own ``classes_``;
        for a bare module or callable the sorted labels of y, or 0 .. n_classes - 1 without y.
    scale : float, "calibrated" or None, default=None
        Factor of the model's logits (log-probabilities, decision values), above 0. "calibrated"
        takes the one under which the labels of ``fit`` are most likely. None: 1, but "calibrated"
        for decision values that are found inside a classifier, if ``fit`` is given labels.
        The members of a list may have scales of their own.
    timeout : float, optional
        Seconds that the model may take for a query, which asks about at most 256 series; longer
        ones end in a :class:`~tsdistill.exceptions.TeacherTimeoutError`. Default: any time. It
        holds for each member of a list that has none of its own, and neither for the ``fit`` of an
        unfitted model nor for the gradients of a torch module.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Label of each column that :meth:`log_proba` returns. Set by :meth:`bind`.
    differentiable : bool
        Whether :meth:`logits` can be called and differentiated.
    left_out : sequence
        Labels that the model knows but y has no series of, so that :meth:`log_proba` has no
        column for them. For a list: labels that every member knows. Set by :meth:`bind`.
    fingerprint : tuple or None
        Answers to probes, an ndarray, and a digest, a str or None.
        Identifies a bound teacher in the cache, see :mod:`tsdistill.teachers.fingerprint`.

    See Also
    --------
    SaliencyDistilledClassifier : Takes any classifier as its teacher.

    Notes
    -----
    Probabilities p are turned into log-probabilities by
    ``log(max(p, 1e-4) / sum(max(p, 1e-4)))``, which is finite for exact zeros and ones.
    Decision values are taken as logits. A single column d becomes ``(-d, d)``, the columns that a
    one-against-rest model would have, so the probability of the second class is ``sigmoid(2 d)``.
    All logits are then multiplied by ``scale``.

    With a ``timeout``, the model is called in another thread. Python cannot end a thread, so a late
    call runs on, and holds its memory, until it comes back or the process ends.

    Examples
    --------
    >>> import numpy as np
    >>> def rising(X):
    ...     p = 1 / (1 + np.exp(X[:, 0] - X[:, -1]))
    ...     return np.column_stack([1 - p, p])
    >>> teacher = Teacher(rising, classes=["down", "up"])
    >>> X = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    >>> teacher.bind(X).classes_[teacher.bind(X).log_proba(X[:, None]).argmax(1)].tolist()
    ['up', 'down']
    """

    scale = None
    timeout = None
    _shown_as: str | None = None

    def __init__(
        self,
        model: TeacherLike,
        classes: ArrayLike | None = None,
        scale: Scale | None = None,
        timeout: float | None = None,
    ) -> None:
        self.model = model
        self.classes = classes
        self.scale = scale
        self.timeout = timeout

    def __deepcopy__(self, memo: dict[int, Any]) -> Teacher:
        return self if self.is_fitted else self._around(copy.deepcopy(self.model, memo))

    def _around(self, model: TeacherLike, classes: ArrayLike | None = None) -> Teacher:
        """A new teacher with these settings around another model."""
        classes = self.classes if classes is None else classes
        return Teacher(model, classes, self.scale, self.timeout)

    def __repr__(self) -> str:
        settings = {"scale": self.scale, "timeout": self.timeout}
        shown = "".join(f", {k}={one!r}" for k, one in settings.items() if one is not None)
        return self._shown_as or f"Teacher({name_of(self.model)}{shown})"

    def __sklearn_clone__(self) -> Teacher:
        cloned: Teacher = clone_teacher(self)
        return cloned

    @property
    def is_fitted(self) -> bool:
        """Whether the model can be queried as it is."""
        return is_fitted(self.model)

    @property
    def is_named(self) -> bool:
        """Whether ``classes`` or the model itself gives a label to each column."""
        if self.classes is None and isinstance(self.model, (list, tuple)):
            return any(as_teacher(member).is_named for member in self.model)
        return self.classes is not None or hasattr(self.model, "classes_")

    def fit(
        self,
        X: NDArray[Any],
        y: LabelArray,
        random_state: np.random.RandomState | None = None,
        sample_weight: FloatArray | None = None,
        form: UnevenForm | None = None,
    ) -> Teacher:
        """Fit a clone of the model; the model itself is not changed.

        Parameters
        ----------
        X : ndarray of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            Series in the user's shape.
        y : ndarray of shape (n_instances,)
            Labels.
        random_state : numpy.random.RandomState, optional
            Source of a seed for every ``random_state`` of the clone that is None.
        sample_weight : ndarray of shape (n_instances,), optional
            Passed to the model if its ``fit`` takes it.
        form : UnevenForm, optional
            How series of unequal length were passed; X is then padded with NaN.

        Returns
        -------
        Teacher
            A new teacher around the fitted clone.
        """
        classes = self.classes
        if isinstance(self.model, (list, tuple)):
            members = [as_teacher(member) for member in self.model]
            given = (X, y, random_state, sample_weight, form)
            return self._around([m if m.is_fitted else m.fit(*given) for m in members])
        if is_skorch_net(self.model):  # takes float32 and class indices
            X, (labels, y) = X.astype(np.float32), np.unique(y, return_inverse=True)
            classes = labels if classes is None else classes
        fitted = fit_clone(self.model, X, y, random_state, sample_weight, form)
        return self._around(fitted, classes)

    def bind(
        self,
        X: NDArray[Any],
        classes: ArrayLike | None = None,
        class_index: IntArray | None = None,
        form: UnevenForm | None = None,
    ) -> Teacher:
        """Find the adapter that queries the model, and the columns that are needed.

        Parameters
        ----------
        X : ndarray of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            The model is queried for the first two series, in the user's shape, or else, for series
            of one channel, in the other layout (2-D or 3-D).
        classes : ndarray of shape (n_classes,), optional
            The labels to answer for, in this order. Default: all labels of the model, sorted.
        class_index : ndarray of shape (n_instances,), int64, optional
            Class index of each series of X in ``classes``. Needed if ``classes`` are numbers
            0 .. n_classes - 1 that encode the model's own labels.
        form : UnevenForm, optional
            How series of unequal length were passed; X is then padded with NaN.

        Returns
        -------
        Teacher
            A new teacher, which can be queried.

        Raises
        ------
        TeacherError
            If the model cannot be queried, answers in the wrong shape, or lacks a class.
        """
        bound = copy.copy(self)
        bound.fingerprint, bound.factor = None, factor_of(self.scale)
        bound._adapter, known = _find_adapter(
            self.model, X, self.classes, classes, class_index, form, self.timeout
        )
        bound.classes_ = np.unique(known) if classes is None else np.asarray(classes)
        wanted = bound.classes_
        if class_index is not None:
            wanted = decoded_labels(self.model, bound._adapter, known, wanted, X, class_index)
        bound._columns, bound._n_columns = select_columns(known, wanted, self.model), len(known)
        bound.left_out = [*np.delete(known, bound._columns).tolist(), *bound._adapter.left_out]
        if np.array_equal(bound._columns, np.arange(len(known))):
            bound._columns = None
        bound._series_shape = (1, *X.shape[1:])[-2:]
        return bound.with_factors_of(self) if hasattr(self, "_adapter") else bound

    def whole(self, panel: Float32Array) -> Teacher:
        """Return a bound teacher that answers for all classes that the model knows.

        Parameters
        ----------
        panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
            Series, the first two of which the model is queried for.

        Returns
        -------
        Teacher
            This teacher if no class was left out, otherwise a new one.
        """
        if not self.left_out:
            return self
        form = self._adapter.ndim
        if isinstance(form, UnevenForm):
            return self.bind(panel, form=form)
        return self.bind(in_layout(panel, form))

    @classmethod
    def of_student(cls, net: Any, classes: LabelArray) -> Teacher:
        """Wrap a fitted student in a bound Teacher, without a trial query.

        Parameters
        ----------
        net : fitted skorch.NeuralNetClassifier
            Takes panels, 3-D.
        classes : ndarray of shape (n_classes,)
            Label of each column.

        Returns
        -------
        Teacher
            Bound to these classes.
        """
        student = cls(net)
        student._adapter = adapter_for(net, 3, name="student", floor=SMALLEST_PROBABILITY)
        student._columns, student.classes_, student._shown_as = None, classes, "student"
        return student


def as_teacher(model: TeacherLike) -> Teacher:
    """Wrap a model in a :class:`Teacher`, unless it already is one.

    Raises
    ------
    TeacherError
        If the model has no method that gives answers.
    """
    teacher = model if isinstance(model, Teacher) else Teacher(model)
    check_can_classify(teacher.model)
    factor_of(teacher.scale)
    if teacher.timeout is not None:
        check_positive("Teacher.timeout", teacher.timeout)
    if isinstance(teacher.model, (list, tuple)):
        for member in teacher.model:
            as_teacher(member)
    return teacher


def clone_teacher(model: TeacherLike) -> TeacherLike:
    """Clone an unfitted model; return a fitted model itself.

    scikit-learn's ``clone`` would silently discard the fit, and would copy a torch module.
    """
    if is_fitted(model):
        return model
    if isinstance(model, Teacher):
        return model._around(clone_teacher(model.model))
    if isinstance(model, (list, tuple)):
        return type(model)(map(clone_teacher, model))
    return clone(model, safe=False)


def _find_adapter(
    model: TeacherLike,
    X: NDArray[Any],
    classes: ArrayLike | None,
    wanted: ArrayLike | None,
    class_index: IntArray | None,
    form: UnevenForm | None,
    timeout: float | None,
) -> tuple[Any, LabelArray]:
    """Find the adapter that queries a fitted model, by querying it for two series.

    Returns
    -------
    adapter : adapter of :mod:`tsdistill.teachers.adapters`, or AverageAdapter
    classes : ndarray of shape (n_columns,)
        The label of each column of the model's answers.
    """
    if isinstance(model, (list, tuple)):
        members = [_member(member, classes, timeout) for member in model]
        if wanted is None and classes is None:
            wanted = _common_classes(members, X, form)
        target = wanted if wanted is not None else np.asarray(classes)
        bound = [member.bind(X, target, class_index, form) for member in members]
        average = AverageAdapter(bound)
        return average, average.teachers[0].classes_
    if form is None:
        check_declared_shape(model, X)
    adapter, n_columns = find_layout(model, X, form, timeout)
    known = classes_of_columns(model, classes, wanted, n_columns)
    if isinstance(adapter, DecisionAdapter):
        check_decision_values(model, adapter, X[:16])
    return adapter, known


def _common_classes(members: list[Teacher], X: NDArray[Any], form: UnevenForm | None) -> LabelArray:
    """Labels that all named members know; the labels of the first member if none is named."""
    known = [member.bind(X, form=form).classes_ for member in members if member.is_named]
    if not known:
        return members[0].bind(X, form=form).classes_
    common = [label for label in known[0] if all(label in labels for labels in known[1:])]
    if len(common) < 2:
        raise TeacherError(
            f"the teachers {name_of(members)} know the classes {'; '.join(map(few, known))}: fewer "
            "than two classes in common; expected two or more, for which answers are averaged."
        )
    return np.array(common, dtype=known[0].dtype)


def _member(model: TeacherLike, classes: ArrayLike | None, timeout: float | None) -> Teacher:
    """Wrap a member of a list, with the labels and the timeout of the list if it has none."""
    teacher = as_teacher(model)
    if teacher.classes is None:
        teacher = Teacher(teacher.model, classes, teacher.scale, teacher.timeout)
    if teacher.timeout is None and timeout is not None:
        teacher = copy.copy(teacher)
        teacher.timeout = timeout
    return teacher
