"""The transfer set of series that are not in memory.

What there is a number of for each series (answers, classes, weights, places of windows) is kept, in
temporary files if it is large. Series are read in chunks, and rows of a bounded part of them:
donors, mixtures, probes of the teacher.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tsdistill.inputs.labels import check_two_classes
from tsdistill.inputs.stored import SomeRows
from tsdistill.inputs.stored_series import Statistics
from tsdistill.numerics.batches import batches, rows_that_fit
from tsdistill.numerics.large_arrays import appended, large_array
from tsdistill.numerics.logits import log_softmax
from tsdistill.numerics.tensors import as_tensor
from tsdistill.perturbation.baselines import Baselines, stand_ins_of
from tsdistill.perturbation.mixtures import Mixtures
from tsdistill.perturbation.plan import WindowPlan
from tsdistill.perturbation.stored_plan import draw_stored_plan, some_rows
from tsdistill.students.building import take_standardisation
from tsdistill.teachers.calibration import calibrated, with_members_calibrated
from tsdistill.teachers.chunks import answers_in_chunks
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.memorised import certainty_kept
from tsdistill.teachers.querying import TeacherAnswers, query, query_windows
from tsdistill.training.transfer_set import TransferSet

N_PROBED = 256
ROWS_AT_ONCE = 2**16


@dataclass(frozen=True)
class StoredTransferSet(TransferSet):
    """As a TransferSet, whose panel is a StoredPanel.

    Attributes
    ----------
    statistics : Statistics
        Of the channels of the series, without mixtures.
    """

    statistics: Statistics | None = None

    def series_at(self, rows):
        return SomeRows(self.panel, rows)

    def to_try(self):
        return as_tensor(self.panel[:2])

    def standardise(self, network):
        take_standardisation(network, self.statistics.mean, self.statistics.std)

    def _identified(self, options):
        """The teacher, with a fingerprint if its answers are kept."""
        if options.memory is None:
            return self.teacher
        n = self.n_given
        rows = np.linspace(0, n - 1, min(n, N_PROBED)).round().astype(int)
        return with_fingerprint(self.teacher, self.panel[rows], options)

    def with_answers(self, sample_weight, options):
        if self.answers is not None:
            return self
        labels, n_classes = self.labels, len(self.teacher.classes_)
        rows = np.arange(0)
        if labels is not None:  # the scale of the logits follows from some of them
            rows = some_rows(labels, self.panel.bytes_a_row, np.random.default_rng(0))
        some = None if labels is None else labels[rows]
        teacher = self.teacher
        if teacher.inner is not None:
            given = self.panel[rows], some, sample_weight[rows], options
            teacher = with_members_calibrated(teacher, *given)
        now = dataclasses.replace(self, teacher=teacher)
        teacher = now._identified(options)
        clean = now._asked(
            lambda series, _: query(teacher, series, _silent(options)),
            (n_classes,), "teacher: series", options,
        )  # fmt: skip
        before = teacher.factor
        teacher, _ = calibrated(teacher, clean[rows], some, sample_weight[rows])
        class_index = np.empty(len(clean), dtype=np.int64)
        for part in batches(len(clean), ROWS_AT_ONCE):
            if teacher.factor != before:
                clean[part] = log_softmax(teacher.factor / before * clean[part])
            class_index[part] = clean[part].argmax(axis=1)
        if labels is None:
            answered = teacher.classes_[np.unique(class_index)]
            check_two_classes(answered, "the teacher's answers hold")
        else:
            class_index[: len(labels)] = labels
        return dataclasses.replace(
            self, teacher=teacher, class_index=class_index, answers=TeacherAnswers(clean)
        )

    def _asked(self, ask, shape, title, options):
        """Answers about all series, in a file if they are many."""
        bar = title if options.verbose else None
        return answers_in_chunks(ask, self.panel, shape, folder=_folder_of(options), bar=bar)

    def with_mixtures(self, n_mixtures, rows, rng, options):
        part = some_rows(self.class_index[rows], self.panel.bytes_a_row, rng) if n_mixtures else ()
        rows = rows[part] if len(part) else rows[:0]
        wanted = (n_mixtures, rows.tobytes())
        if wanted == self.mixed_from:
            return self
        given = self._given()
        if len(rows) < 2:
            return dataclasses.replace(given, mixed_from=wanted)
        given = given._without_copies()
        mixtures = Mixtures.draw(rows, n_mixtures, rng)
        mixed = large_array((n_mixtures, *given.panel.shape[1:]), np.float32, _folder_of(options))
        for part in batches(n_mixtures, rows_that_fit(4 * given.panel.bytes_a_row)):
            few = Mixtures(mixtures.first[part], mixtures.second[part], mixtures.share[part])
            mixed[part] = few.of(given.panel)
        teacher = given._identified(options)
        answers = query(teacher, mixed, options, title="teacher: mixtures")
        folder = _folder_of(options)
        return dataclasses.replace(
            given,
            teacher=teacher,
            panel=given.panel.joined(mixed),
            class_index=np.concatenate([given.class_index, answers.argmax(axis=1)]),
            answers=TeacherAnswers(appended(given.answers.clean, answers, folder)),
            mixtures=mixtures,
            mixed_from=wanted,
        )

    def _given(self):
        if self.mixtures is None:
            return self
        n = self.n_given
        return dataclasses.replace(
            self._without_copies(),
            panel=self.panel.part(slice(0, n)),
            class_index=self.class_index[:n],
            answers=TeacherAnswers(self.answers.clean[:n]),
            mixtures=None,
        )

    def for_trial(self, weight, rows):
        mixtures = self.mixtures
        rows = np.intersect1d(np.union1d(mixtures.first, mixtures.second), rows)
        at = np.concatenate([rows, np.arange(self.n_given, len(self.panel))])
        moved = Mixtures(
            np.searchsorted(rows, mixtures.first),
            np.searchsorted(rows, mixtures.second),
            mixtures.share,
        )
        some = TransferSet(
            self.source, self.teacher, self.panel[at], None,
            class_index=self.class_index[at], mixtures=moved, kept=self.kept,
            answers=TeacherAnswers(self.answers.clean[at]),
        )  # fmt: skip
        return some, some.with_mixtures_weighed(weight[rows]), np.arange(len(rows))

    def with_memory_checked(self, rng, options):
        if self.kept is not None:
            return self
        teacher = self._identified(options)
        kept = tuple(
            certainty_kept(
                teacher, self.panel.part(part), self.answers.clean[part], rng, options
            )
            for part in self._parts_as_passed()
        )  # fmt: skip
        return dataclasses.replace(self, teacher=teacher, kept=kept)

    def with_windows(self, windows, rng, options):
        if self.windows == windows:
            return self
        teacher = self._identified(options)
        plan = draw_stored_plan(
            self.panel, self.class_index, teacher.classes_, self.statistics,
            **windows._asdict(), rng=rng, folder=_folder_of(options),
        )  # fmt: skip

        def ask(series, part):
            start, donor = (one[part].astype(np.int64) for one in (plan.start, plan.donor))
            of_part = WindowPlan(start, donor, plan.width, plan.donors)
            return query_windows(teacher, series, of_part, _silent(options))

        shape = plan.start.shape[1], len(teacher.classes_)
        perturbed = self._asked(ask, shape, "teacher: windows", options)
        answers = dataclasses.replace(self.answers, perturbed=perturbed)
        return dataclasses.replace(
            self, teacher=teacher, answers=answers, windows=windows, plan=plan
        )

    def with_baselines(self, rng, trained_on_constants):
        n, n_timepoints = self.n_given, self.panel.shape[2]
        mean = stand_ins_of("mean", self.statistics.mean, None, n_timepoints)
        baselines = self.baselines or Baselines.choose(
            self.panel, self.class_index[:n], rng, mean=mean
        )
        trained_on_constants = trained_on_constants or baselines.trained_on_constants
        baselines = dataclasses.replace(baselines, trained_on_constants=trained_on_constants)
        return dataclasses.replace(self, baselines=baselines)


def _silent(options):
    return dataclasses.replace(options, verbose=0)


def _folder_of(options):
    """Where large arrays lie: beside the answers that are kept, if some are."""
    return None if options.memory is None else str(options.memory.location)
