"""A fitted classifier in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.settings import check_device
from tsdistill.inputs.files import check_folder
from tsdistill.inputs.types import Device, Path
from tsdistill.numerics.random_states import global_states_kept

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from tsdistill.estimators.types import StudentLike
    from tsdistill.teachers.types import TeacherLike

KIND = "SaliencyDistilledClassifier"


class SavesFile:
    """Mixin for the SaliencyDistilledClassifier: ``save`` and ``load``."""

    student_: Any

    if TYPE_CHECKING:  # of the class that is mixed with

        @classmethod
        def _get_param_names(cls) -> list[str]: ...

    def save(self, path: Path) -> None:
        """Write the fitted classifier to a file, without pickle and without the teacher.

        The file holds what ``predict``, ``explain`` and the like need, as plain values and
        tensors; :doc:`docs/file_format.md </file_format>` describes it. Parameters that hold the
        user's own objects (``teacher``, ``callbacks``, own ``auxiliary`` objectives, a
        RandomState), ``device``, ``memory``, ``memory_size``, ``n_jobs`` and ``history_`` are
        not in it.

        Parameters
        ----------
        path : str or path
            Its folder has to exist. An older file is replaced once the new one is complete.

        Raises
        ------
        FolderMissingError, FolderGivenError
            If no file can be written at this path.
        ExportError
            If labels, names or weights are of types that cannot be saved.
        MissingExtraError
            If safetensors is not installed.

        Examples
        --------
        >>> import tempfile
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktime.datasets import load_gunpoint
        >>> from tsdistill import SaliencyDistilledClassifier
        >>> X, y = load_gunpoint(split="train", return_type="numpyflat")
        >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
        >>> student = SaliencyDistilledClassifier(teacher, max_epochs=5, random_state=0).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     student.save(f"{folder}/gunpoint.tsdistill")
        ...     loaded = SaliencyDistilledClassifier.load(f"{folder}/gunpoint.tsdistill")
        >>> bool((loaded.explain(X[:5]) == student.explain(X[:5])).all())
        True
        """
        from tsdistill.export.archive import write_archive
        from tsdistill.export.saving import check_loads, saved

        check_is_fitted(self, "student_")
        check_folder(path)
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            content = saved(self, KIND, _names_of(type(self)))
            check_loads(*content, self.student_.module_)
        write_archive(path, *content)

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        teacher: TeacherLike = None,
        student: StudentLike | None = None,
        device: Device = "cpu",
    ) -> Self:
        """Read a fitted classifier from a file that :meth:`save` wrote.

        Nothing in the file is run. On the same machine predictions and explanations are those of
        the classifier that was saved, bit by bit.

        Parameters
        ----------
        path : str or path
            The file.
        teacher : classifier, torch.nn.Module, callable, Teacher, or list of these, default=None
            The fitted teacher. Without it the classifier predicts and explains; what compares it
            with its teacher raises a TeacherError.
        student : torch.nn.Module, callable or skorch.NeuralNetClassifier, default=None
            Needed if the student was a module of the user's: a factory ``(n_channels,
            n_timepoints, n_classes) -> module``, or a module with the same layers, whose weights
            do not matter.
        device : str or torch.device, default="cpu"
            Where the student predicts.

        Returns
        -------
        SaliencyDistilledClassifier
            ``history_`` is empty. Another ``fit`` needs a teacher.

        Raises
        ------
        FileMissingError
            If there is no such file.
        SavedFileError
            If it is damaged, was changed, or was not written by :meth:`save`.
        StudentError
            If ``student`` is missing, or is another module than the one that was saved.
        TeacherError
            If ``teacher`` is not fitted, or cannot answer for the classes of the student.
        MissingExtraError
            If safetensors is not installed.
        """
        from tsdistill.export.archive import read_archive

        return cls._restored(*read_archive(path), teacher=teacher, student=student, device=device)

    @classmethod
    def _restored(
        cls,
        config: dict[str, Any],
        tensors: dict[str, NDArray[Any]],
        *,
        teacher: TeacherLike,
        student: StudentLike | None,
        device: Device,
    ) -> Self:
        """A fitted classifier from the content of a file."""
        from tsdistill.export.saving import restored

        check_device(device)
        with global_states_kept(0, device):
            parameters, fitted = restored(
                config, tensors, kind=KIND, known=_names_of(cls),
                teacher=teacher, student=student, device=device,
            )  # fmt: skip
        own = cls._get_param_names()  # of a subclass, perhaps fewer
        classifier = cls(**{name: value for name, value in parameters.items() if name in own})
        vars(classifier).update(parameters | fitted)
        return classifier


def _names_of(cls: type[SavesFile]) -> list[str]:
    """Names of the parameters of SaliencyDistilledClassifier, from which a class may derive."""
    *_, base = (one for one in cls.__mro__ if one.__name__ == KIND and issubclass(one, SavesFile))
    return base._get_param_names()
