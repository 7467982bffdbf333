"""The ways of a fitted classifier out of its process: files, and forms that run elsewhere."""

from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.settings import check_device
from tsdistill.numerics.random_states import global_states_kept

KIND = "SaliencyDistilledClassifier"


class LeavesPython:
    """Mixin for the SaliencyDistilledClassifier: ``save``, ``load`` and the exports."""

    def save(self, path):
        """Write the fitted classifier to a file, without pickle and without the teacher.

        The file holds what ``predict``, ``explain`` and the like need, as plain values and
        tensors; :doc:`docs/file_format.md <file_format>` describes it. Parameters that hold the
        user's own objects (``teacher``, ``callbacks``, own ``auxiliary`` objectives, a
        RandomState), ``device``, ``memory`` and ``history_`` are not in it.

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
        from tsdistill.export.saving import saved
        from tsdistill.inputs.files import check_folder

        check_is_fitted(self, "student_")
        check_folder(path)
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            config, tensors = saved(self, KIND)
        write_archive(path, config, tensors)

    @classmethod
    def load(cls, path, *, teacher=None, student=None, device="cpu"):
        """Read a fitted classifier from a file that :meth:`save` wrote.

        Nothing in the file is run. On the same machine predictions and explanations are those of
        the classifier that was saved, bit by bit.

        Parameters
        ----------
        path : str or path
        teacher : classifier, torch.nn.Module, callable, Teacher, or list of these, default=None
            The fitted teacher. Without it the classifier predicts and explains; what compares it
            with its teacher raises a TeacherError.
        student : torch.nn.Module, callable or skorch.NeuralNetClassifier, default=None
            Needed if the student was a module of the user's: a factory ``(n_channels,
            n_timepoints, n_classes) -> module``, or a module with the same layers, whose weights
            do not matter.
        device : str or torch.device, default="cpu"

        Returns
        -------
        classifier : SaliencyDistilledClassifier
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
    def _restored(cls, config, tensors, *, teacher, student, device):
        """A fitted classifier from the content of a file."""
        from tsdistill.export.saving import restored

        check_device(device)
        with global_states_kept(0, device):
            parameters, fitted = restored(
                config, tensors, kind=KIND, known=cls._get_param_names(),
                teacher=teacher, student=student, device=device,
            )  # fmt: skip
        classifier = cls(**parameters)
        vars(classifier).update(fitted)
        return classifier
