"""Warnings; users import them from :mod:`tsdistill.exceptions`."""


class BatchHalvedWarning(UserWarning):
    """Memory did not hold a batch of series, so a model was asked about its halves.

    See Also
    --------
    TrainingError : If memory does not hold a step of the training, which is not halved.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import BatchHalvedWarning
    >>> warnings.simplefilter("ignore", BatchHalvedWarning)
    """


class HardTeacherWarning(UserWarning):
    """The teacher's probabilities are all 0 or 1, so they carry no soft targets.

    See Also
    --------
    tsdistill.Teacher : Takes decision values of a model instead.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import HardTeacherWarning
    >>> warnings.simplefilter("error", HardTeacherWarning)
    """


class TeacherMismatchWarning(UserWarning):
    """The teacher is so often wrong about y that it was hardly fitted on series like X.

    See Also
    --------
    tsdistill.Teacher : Takes the labels of the teacher's columns, if these differ from y's.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import TeacherMismatchWarning
    >>> warnings.simplefilter("error", TeacherMismatchWarning)
    """


class LeftOutWarning(UserWarning):
    """The teacher knows classes without series in y; the student never predicts them.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.fit : Takes labels of the classes to predict.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import LeftOutWarning
    >>> warnings.simplefilter("error", LeftOutWarning)
    """


class CacheWarning(UserWarning):
    """Answers cached by ``memory`` are damaged or outdated, or new ones cannot be written.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier : Keeps the teacher's answers in the folder ``memory``.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import CacheWarning
    >>> warnings.simplefilter("ignore", CacheWarning)
    """


class MemorisedWarning(UserWarning):
    """The teacher knows X by heart, and there are no other series to learn its saliency from.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.fit : Takes series without labels too.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import MemorisedWarning
    >>> warnings.simplefilter("error", MemorisedWarning)
    """


class MixturesLeftOutWarning(UserWarning):
    """The teacher takes mixtures of series for something else, so ``fit`` leaves them out.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier : Makes no mixtures with ``n_mixtures=0``.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import MixturesLeftOutWarning
    >>> warnings.simplefilter("ignore", MixturesLeftOutWarning)
    """


class SaliencyWeightWarning(UserWarning):
    """The weight of a saliency measure is above those with which it is known to train.

    See Also
    --------
    tsdistill.objectives.TemporalSaliency : The objective, with its measures.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import SaliencyWeightWarning
    >>> warnings.simplefilter("ignore", SaliencyWeightWarning)
    """


class TeacherAwayWarning(UserWarning):
    """A SwapMonitor could not ask the teacher, so it audits nothing until it answers again.

    See Also
    --------
    tsdistill.SwapMonitor : Asks the teacher about a share of the series in use.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import TeacherAwayWarning
    >>> warnings.simplefilter("error", TeacherAwayWarning)
    """


class HookWarning(UserWarning):
    """A function that a SwapMonitor calls when an alarm rings raised an exception.

    See Also
    --------
    tsdistill.SwapMonitor : Calls functions of the user when an alarm rings.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import HookWarning
    >>> warnings.simplefilter("error", HookWarning)
    """


class InterruptedWarning(UserWarning):
    """A keyboard interrupt ended the training early; the student trained so far is kept.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier.fit : Trains the student.
    TrainingError : If the training failed.

    Examples
    --------
    >>> import warnings
    >>> from tsdistill.exceptions import InterruptedWarning
    >>> warnings.simplefilter("ignore", InterruptedWarning)
    """
