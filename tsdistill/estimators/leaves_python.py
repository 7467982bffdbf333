"""The ways of a fitted classifier out of Python: forms that run elsewhere."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.saving import SavesFile
from tsdistill.exceptions import ParameterError
from tsdistill.export.fitted import FittedStudent, measures_of
from tsdistill.inputs.checks import check_choice, check_flag, is_whole, shown
from tsdistill.inputs.files import check_folder
from tsdistill.inputs.types import Fill, Float32Array, LabelArray, Path, Series
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.numerics.tensors import as_tensor
from tsdistill.students.rounding import FEWEST_BITS, MOST_BITS, round_weights, rounding_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from tsdistill.inputs.forms import UnevenForm
    from tsdistill.inputs.stored import StoredPanel
    from tsdistill.perturbation.baselines import Baselines
    from tsdistill.reporting.report import FidelityReport  # loads pandas


class LeavesPython(SavesFile):
    """Mixin for the SaliencyDistilledClassifier: the exports, beside ``save`` and ``load``."""

    classes_: LabelArray
    n_channels_in_: int
    n_timepoints_in_: int
    _baselines: Baselines
    _window_width: float
    _channel_names: list[Any] | None
    _uneven_form: UnevenForm | None
    _series_lengths: tuple[int, int] | None
    _transfer_set: Any

    if TYPE_CHECKING:  # of the class that is mixed with

        def _panel(self, X: Series) -> Float32Array | StoredPanel: ...

    def quantised(self, bits: int = 8) -> Self:
        """Return a copy of the classifier whose weights are rounded to a few bits.

        Each output of a layer has its own scale, and weights make up for the errors of others
        (GPTQ, arXiv 2210.17323); arithmetic, biases and normalisation stay float32. The copy
        predicts, explains, reports, saves and exports as any other classifier; files and exports
        hold the rounded numbers. ``n_bits_`` says how many bits.

        Parameters
        ----------
        bits : int, default=8
            2 to 8. With 8 bits the answers hardly change; compare fewer by
            :meth:`fidelity_report`.

        Returns
        -------
        SaliencyDistilledClassifier
            A further ``fit`` trains a student of float32.

        Raises
        ------
        ParameterError
            If ``bits`` is no whole number from 2 to 8.
        ExportError
            If the student has no float32 weights to round.

        Examples
        --------
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktime.datasets import load_gunpoint
        >>> from tsdistill import SaliencyDistilledClassifier
        >>> X, y = load_gunpoint(split="train", return_type="numpyflat")
        >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
        >>> student = SaliencyDistilledClassifier(teacher, max_epochs=5, random_state=0).fit(X, y)
        >>> small = student.quantised(bits=8)
        >>> small.n_bits_, bool(abs(small.predict_proba(X) - student.predict_proba(X)).max() < 0.05)
        (8, True)
        """
        from tsdistill.export.networks import net_of
        from tsdistill.export.saving import gives_proba

        if not is_whole(bits) or not FEWEST_BITS <= bits <= MOST_BITS:
            raise ParameterError(
                f"bits={shown(bits)}; expected a whole number from {FEWEST_BITS} to {MOST_BITS}."
            )
        check_is_fitted(self, "student_")
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            classifier, net = copy.copy(self), self.student_
            module = copy.deepcopy(net.module_)
            proba = gives_proba(net)
            classifier.student_ = net_of(module, len(self.classes_), proba, net.device)
            classifier.student_.history = net.history
            classifier._transfer_set = None
            series = as_tensor(self._baselines.series, self.student_.device)
            round_weights(classifier.student_.module_, int(bits), series)
        return classifier

    def to_onnx(
        self,
        path: Path,
        *,
        explain: bool = False,
        fill: Fill = "opposing",
        report: FidelityReport | None = None,
    ) -> None:
        """Write the student to an ONNX file, which runs without Python.

        The input ``series`` is float32 of shape (n_instances, n_channels, n_timepoints), also for
        a classifier that was fitted on 2-D series; the output ``proba`` is that of
        ``predict_proba``. Standardisation and softmax are inside. The metadata of the file name
        the classes, the shape, the window and the version.

        Parameters
        ----------
        path : str or path
            Its folder has to exist; an older file is replaced.
        explain : bool, default=False
            Whether the file gives the maps of :meth:`explain` too: the second input ``target``,
            int64 of shape (n_instances,), is a position in ``classes_``, or -1 for the predicted
            class; the second output ``saliency`` is float32 of shape (n_instances,
            n_timepoints). Such a file computes the maps even where ``proba`` alone is asked for,
            and all perturbed copies of the given series at once: give it few series at a time.
        fill : {"opposing", "mean", "zero"}, default="opposing"
            The baseline of the maps, as in :meth:`explain`.
        report : FidelityReport, default=None
            Whose agreement, KL and saliency correlation are written into the metadata.

        Raises
        ------
        ExportError
            If torch cannot export the student's module.
        FolderMissingError, FolderGivenError
            If no file can be written at this path.
        MissingExtraError
            If onnx, onnxscript or onnxruntime is not installed.

        Notes
        -----
        Where series may differ in length or have gaps, there is a further input ``length``, int64
        of shape (n_instances,): what follows these timesteps in ``series`` is not read. ``series``
        may then have any number of timesteps, but with ``missing="mask"`` as many as in ``fit``;
        there, NaN is a missing value.
        """
        from tsdistill.export.onnx import write_onnx

        check_is_fitted(self, "student_")
        check_folder(path)
        check_flag("explain", explain)
        check_choice("fill", fill, ("opposing", "mean", "zero"))
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            model = self._fitted_student(report)
            write_onnx(path, model, explain=bool(explain), fill=fill)

    def to_c(self, path: Path) -> None:
        """Write the student to one file of C99, which needs nothing but ``math.h``.

        ``int tsdistill_predict(const float *series, float *proba)`` answers one series; the head
        of the file says how to call it, and what it takes. Where series may differ in length or
        have gaps, ``int length`` comes between: as long as the longest of ``fit`` at most. Nothing
        is allocated. The weights of a
        quantised student are bytes. The students "lite", "fcn", "inception", "resnet" and "gru"
        can be written, with or without an ``ExplanationAutoencoder``, and modules made of the same
        layers.

        Parameters
        ----------
        path : str or path
            Its folder has to exist; an older file is replaced.

        Raises
        ------
        ExportError
            If the student has a layer that cannot be written; the message names it.
        FolderMissingError, FolderGivenError
            If no file can be written at this path.
        """
        from tsdistill.export.c import write_c

        check_is_fitted(self, "student_")
        check_folder(path)
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            write_c(path, self._fitted_student())

    def student_costs(self) -> dict[str, int]:
        """Count what the student takes on a device, as :meth:`to_c` writes it.

        Returns
        -------
        dict of str to int
            "weights"; "bits" of each; "constant_bytes", those that lie in flash besides 1 to 2 kB
            of code; "memory_bytes", for all values while a series is answered, the series not
            counted; and "multiplications" for one series.

        Raises
        ------
        ExportError
            If the student has a layer that :meth:`to_c` cannot write.

        Examples
        --------
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from sktime.datasets import load_gunpoint
        >>> from tsdistill import SaliencyDistilledClassifier
        >>> X, y = load_gunpoint(split="train", return_type="numpyflat")
        >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
        >>> student = SaliencyDistilledClassifier(teacher, max_epochs=5, random_state=0).fit(X, y)
        >>> student.quantised().student_costs()
        {'weights': 8794, 'bits': 8, 'constant_bytes': 9652, 'memory_bytes': 15000, \
'multiplications': 675048}
        """
        from tsdistill.export.costs import student_costs

        check_is_fitted(self, "student_")
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            return student_costs(self._fitted_student())

    def to_html(self, path: Path, X: Series | None = None, *, fill: Fill | None = None) -> None:
        """Write the student to one web page, which runs it in the browser.

        The page draws series, coloured by what each timestep does for the answer, with the
        probabilities. Stretches can be replaced by hand, and series pasted or dropped as CSV.
        Nothing is loaded from elsewhere or sent anywhere; a page of a default student takes less
        than 100 kB. It takes the students that :meth:`to_c` takes.

        Parameters
        ----------
        path : str or path
            Its folder has to exist; an older file is replaced.
        X : array-like of shape (n_instances, n_channels, n_timepoints), default=None
            Series to begin with; the page holds as many of the first as it has room for. None
            takes the training series that ``explain`` keeps, a few of each class.
        fill : {"opposing", "mean", "zero"}, default=None
            The baseline of the maps, as in :meth:`explain`. None is "opposing", or "mean" if the
            series that it needs take more than 30 kB.

        Raises
        ------
        ExportError
            If the student has a layer that cannot be written; the message names it.
        PanelError, ValueError
            If X does not fit.
        FolderMissingError, FolderGivenError
            If no file can be written at this path.
        """
        from tsdistill.export.page import write_page

        check_is_fitted(self, "student_")
        check_folder(path)
        if fill is not None:
            check_choice("fill", fill, ("opposing", "mean", "zero"), also=", or None")
        panel = self._baselines.series if X is None else self._panel(X)
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            write_page(path, self._fitted_student(), panel, fill)

    def _fitted_student(self, report: FidelityReport | None = None) -> FittedStudent:
        """What the exports need."""
        return FittedStudent(
            net=self.student_,
            classes=self.classes_,
            shape=(self.n_channels_in_, self.n_timepoints_in_),
            baselines=self._baselines,
            width=self._window_width,
            bits=self.n_bits_,
            channels=self._channel_names,
            uneven=self._uneven_form,
            lengths=self._series_lengths,
            fidelity={} if report is None else measures_of(report),
        )

    @property
    def n_bits_(self) -> int:
        """Bits of a weight of the student: 32, or fewer if it is quantised."""
        rounding = rounding_of(self.student_.module_)
        return 32 if rounding is None else rounding.bits
