"""The life of a classifier: whatever is done to it, and in whatever order.

The machine holds what should be true: whether the classifier is fitted, and its last answers to
series that never change, which all that is no ``fit`` has to leave as they are, bit by bit. A run
is dear, so there are a fifth as many of them as of the examples of another property.
"""

import copy
import io
import os
import pickle
import tempfile
from pathlib import Path

import joblib
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from tests.fuzz.cases import FEWER
from tests.fuzz.lives import BAD_SERIES, INVALID, LABELS, VALID, WAYS_TO_COPY, global_states
from tests.fuzz.of_arrays import content_of, laid_out, layouts
from tests.fuzz.of_series import TEACHERS, FailingTeacher, series_of, tiny_students
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapMonitor
from tsdistill.exceptions import TeacherError, TsdistillError


class LifeOfAClassifier(RuleBasedStateMachine):
    """A classifier, and a simple model of it."""

    @initialize(
        student=tiny_students, seed=st.integers(0, 3), teacher=st.sampled_from(sorted(TEACHERS)),
        n_channels=st.sampled_from((0, 1, 2, None)),
    )  # fmt: skip
    def begin(self, student, seed, teacher, n_channels):
        """A classifier; most are fitted at once, since most rules wait for a fit."""
        self.classifier = SaliencyDistilledClassifier(
            TEACHERS[teacher], student, max_epochs=1, n_windows=2, n_mixtures=0, random_state=seed
        )
        self.teacher = teacher
        self.fitted, self.bits = False, 32
        self.states = global_states()
        self.folder = tempfile.TemporaryDirectory()
        self.workers = joblib.parallel_config("threading")
        if n_channels is not None:
            self.fit([0, 1], 8, n_channels, 12, "C", seed, with_labels=True)

    def teardown(self):
        if hasattr(self, "states"):
            self.workers.unregister()
            self.folder.cleanup()
            assert global_states() == self.states

    def learns(self, classes, n, n_channels, n_timepoints, seed):
        """Series to be fitted on, with labels; they become those that are asked about."""
        X = series_of(n, n_channels, n_timepoints, seed)
        return X, np.array(classes)[np.arange(n) % len(classes)]

    @property
    def model(self):
        """The classifier; every rule that asks it fails if global states move meanwhile."""
        assert global_states() == self.states
        return self.classifier

    def remember(self, X):
        """Take the answers to series as those that have to stay."""
        self.fitted, self.X, self.bits = True, X, self.classifier.n_bits_
        self.proba = self.model.predict_proba(X)
        self.check_answers(self.model)

    def check_answers(self, model):
        """Fail unless a model gives the answers that are remembered, bit by bit."""
        proba = model.predict_proba(self.X)
        np.testing.assert_array_equal(proba, self.proba)
        assert np.isfinite(proba).all() and (proba >= 0).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
        best = np.asarray(model.classes_)[proba.argmax(axis=1)]
        np.testing.assert_array_equal(model.predict(self.X), best)
        assert model.n_bits_ == self.bits

    def refuses(self, call, *names, errors=(TsdistillError,)):
        """Fail unless a call ends in a clear error that names an argument, and changes nothing."""
        before = dict(vars(self.classifier))
        try:
            call()
        except errors as error:
            assert any(name in str(error) for name in names), f"{error!s} names none of {names}"
        else:
            raise AssertionError(f"nothing was refused; expected an error about {names}")
        self.is_as(before)

    def is_as(self, before):
        """Fail unless the attributes are those of before; a memory gives the teacher a name."""
        now = vars(self.classifier)
        assert now.keys() == before.keys()
        changed = [name for name, one in before.items() if now[name] is not one]
        named = now["memory"] is not None and self.fitted
        assert not changed or (named and changed == ["teacher_"])
        assert not changed or now["teacher_"].model is before["teacher_"].model

    @invariant()
    def answers_stay(self):
        if not hasattr(self, "classifier"):
            return
        assert global_states() == self.states
        if self.fitted:
            self.check_answers(self.classifier)
        else:
            self.refuses(
                lambda: self.classifier.predict(np.ones((2, 9))), "fit", errors=(NotFittedError,)
            )

    @rule(
        classes=st.sampled_from(LABELS),
        n=st.integers(6, 10),
        n_channels=st.integers(0, 2),
        n_timepoints=st.integers(8, 20),
        layout=layouts,
        seed=st.integers(0, 9),
        with_labels=st.booleans(),
    )
    def fit(self, classes, n, n_channels, n_timepoints, layout, seed, with_labels):
        X, y = self.learns(classes, n, n_channels, n_timepoints, seed)
        labelled = with_labels or self.teacher != "named"
        known = getattr(TEACHERS[self.teacher], "classes", None)
        if known is not None:
            y = np.array(known)[np.arange(n) % len(known)]
        given_X, before = laid_out(X, layout), dict(vars(self.classifier))
        content = content_of(given_X), content_of(y)
        try:
            self.classifier.fit(given_X, y if labelled else None)
        except (TsdistillError, ValueError) as error:  # the latter for another number of features
            assert self.may_fail(error, before, labelled), str(error)
            assert vars(self.classifier) == before
            return
        finally:
            assert (content_of(given_X), content_of(y)) == content
        assert self.classifier.classes_.tolist() == sorted(set(y.tolist())) or not labelled
        self.remember(X)
        assert self.bits == 32

    def may_fail(self, error, before, labelled):
        """Whether a fit may be refused.

        A student that trains further keeps its shape and classes, few series cannot be held out,
        and a teacher that labels the series may name one class alone.
        """
        message = str(error)
        further = before["warm_start"] and self.fitted
        held_out = before["validation_fraction"] is not None and "validation_fraction" in message
        one_class = not labelled and "one class only" in message
        names = ("warm_start", "classes", "channel", "timepoints", "X has")
        return held_out or one_class or (further and any(name in message for name in names))

    @precondition(lambda self: self.fitted)
    @rule()
    def fit_again_in_the_same_way(self):
        """The same seed on the same series gives the same answers, unless training goes on."""
        model = clone(self.classifier)
        model.set_params(warm_start=False)
        y = self.classifier.predict(self.X)
        y[: len(self.classifier.classes_)] = self.classifier.classes_
        proba = model.fit(self.X, y).predict_proba(self.X)
        np.testing.assert_array_equal(model.fit(self.X, y).predict_proba(self.X), proba)

    @rule(where=st.sampled_from(("series", "windows")))
    def fit_fails_midway(self, where):
        X, y = self.learns([0, 1], 8, 0, 12, 0)
        before = self.classifier.teacher
        warm, self.classifier.warm_start = self.classifier.warm_start, False
        fraction = self.classifier.validation_fraction
        self.classifier.validation_fraction = None
        self.classifier.teacher = FailingTeacher(after=0 if where == "series" else 8)
        weight, self.classifier.saliency_weight = self.classifier.saliency_weight, None
        self.refuses(lambda: self.classifier.fit(X, y), "FailingTeacher", errors=(TeacherError,))
        self.classifier.set_params(
            teacher=before, warm_start=warm, saliency_weight=weight, validation_fraction=fraction
        )

    @rule(bad=st.sampled_from(BAD_SERIES))
    def fit_of_bad_series(self, bad):
        X, y = self.learns([0, 1], 8, 0, 12, 0)
        weights = None
        if bad == "NaN":
            X[2, 3] = np.nan
        elif bad == "one class":
            y[:] = 1
        elif bad == "text":
            X = X.astype(str)[:, :3] + np.array("x")
        elif bad == "0-D":
            X = 3.0
        elif bad == "no series":
            X, y = X[:0], y[:0]
        elif bad == "few labels":
            y = y[:-1]
        elif bad == "weights":
            weights = -np.ones(8)
        else:
            y = [[0], [1, 2]] * 4
        self.refuses(
            lambda: self.classifier.fit(X, y, sample_weight=weights),
            "X", "y", "sample_weight", "series",
            errors=(TsdistillError, ValueError),
        )  # fmt: skip

    @rule(name=st.sampled_from(sorted(INVALID)))
    def fit_with_an_invalid_setting(self, name):
        before = getattr(self.classifier, name)
        X, y = self.learns([0, 1], 8, 0, 12, 0)
        self.classifier.set_params(**{name: INVALID[name]})
        further = self.classifier.warm_start is True and self.fitted  # checks other things first
        also = ("X has", "classes", "teacher") if further else ()
        fraction = ("validation_fraction",) * (self.classifier.validation_fraction is not None)
        self.refuses(lambda: self.classifier.fit(X, y), name, *also, *fraction)
        self.classifier.set_params(**{name: before})

    @rule(name=st.sampled_from(("depth", "student__depth", "auxiliary__weight", "callbacks__a")))
    def set_an_unknown_parameter(self, name):
        self.refuses(
            lambda: self.classifier.set_params(**{name: 3}), *name.split("__"),
            errors=(ValueError,),
        )  # fmt: skip

    @rule(data=st.data(), name=st.sampled_from(sorted(VALID)))
    def set_a_parameter(self, data, name):
        value = data.draw(st.sampled_from(VALID[name]))
        assert self.classifier.set_params(**{name: value}) is self.classifier
        assert self.classifier.get_params()[name] is value

    @precondition(lambda self: self.fitted)
    @rule(layout=layouts, method=st.sampled_from(("occlusion", "gradient")), data=st.data())
    def explain(self, layout, method, data):
        X, of = laid_out(self.X, layout), data.draw(st.sampled_from(("student", "teacher")))
        target = data.draw(st.sampled_from((None, *self.classifier.classes_.tolist())))
        per_channel = data.draw(st.booleans())
        content = content_of(X)
        arguments = {"of": of, "target": target, "method": method, "per_channel": per_channel}
        if of == "teacher" and method == "gradient":
            self.refuses(lambda: self.classifier.explain(X, **arguments), "teacher", "gradient")
            return
        maps = self.model.explain(X, **arguments)
        n_channels = self.X.shape[1] if self.X.ndim == 3 else 1
        channels = (n_channels,) * per_channel
        assert maps.shape == (len(self.X), *channels, self.X.shape[-1])
        assert maps.dtype == np.float32 and np.isfinite(maps).all()
        np.testing.assert_array_equal(maps, self.model.explain(self.X, **arguments))
        assert content_of(X) == content

    @precondition(lambda self: self.fitted)
    @rule(name=st.sampled_from(("method", "of", "per_channel", "fill", "target", "X")))
    def explain_what_cannot_be(self, name):
        odd = {"per_channel": 3, "target": "nobody"}.get(name, "nothing")
        arguments = {"X": self.X, name: odd}
        self.refuses(lambda: self.classifier.explain(**arguments), name, errors=(ValueError,))

    @precondition(lambda self: self.fitted)
    @rule(metric=st.sampled_from(("agreement", "kl", "js", "saliency", "top_overlap", "deletion",
                                  "insertion", "accuracy", "nll", "ece")))  # fmt: skip
    def score(self, metric):
        y = self.classifier.predict(self.X)
        found = self.model.fidelity_score(self.X, y, metric=metric)
        low, high = {"kl": (-100, 0), "js": (-np.log(2), 0), "nll": (-100, 0), "ece": (-1, 0),
                     "saliency": (-1, 1), "deletion": (-1, 0)}.get(metric, (0, 1))  # fmt: skip
        assert low <= found <= high
        assert metric != "accuracy" or found == 1
        self.refuses(lambda: self.classifier.fidelity_score(self.X, metric="best"), "metric")
        if metric in ("accuracy", "nll", "ece"):
            self.refuses(lambda: self.classifier.fidelity_score(self.X, metric=metric), "y")

    @precondition(lambda self: self.fitted)
    @rule(with_labels=st.booleans())
    def report(self, with_labels):
        y = self.classifier.predict(self.X) if with_labels else None
        report = self.model.fidelity_report(self.X, y, n_explained=3)
        assert len(report.to_frame()) and str(report)
        self.refuses(lambda: self.classifier.fidelity_report(self.X, confidence=2), "confidence")

    @rule()
    def clone_is_unfitted_and_equal(self):
        cloned = clone(self.classifier)
        assert not hasattr(cloned, "student_")
        ours, theirs = self.classifier.get_params(), cloned.get_params()
        assert ours.keys() == theirs.keys()
        assert all(repr(ours[name]) == repr(theirs[name]) for name in ours)
        shared = self.teacher == "named"  # it is fitted
        assert (cloned.teacher is self.classifier.teacher) == shared

    @precondition(lambda self: self.fitted)
    @rule(how=st.sampled_from(WAYS_TO_COPY), stays=st.booleans())
    def copy_answers_the_same(self, how, stays):
        if how in ("deepcopy", "copy"):
            other = getattr(copy, how)(self.classifier)
        elif how == "pickle":
            other = pickle.loads(pickle.dumps(self.classifier))
        elif how == "joblib":
            file = io.BytesIO()
            joblib.dump(self.classifier, file)
            file.seek(0)
            other = joblib.load(file)
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "a student.tsdistill")
                self.classifier.save(path)
                other = SaliencyDistilledClassifier.load(path, teacher=self.classifier.teacher_)
        self.check_answers(other)
        np.testing.assert_array_equal(other.explain(self.X), self.classifier.explain(self.X))
        if stays:  # the life goes on with the copy
            parameters = {} if how != "save" else self.classifier.get_params(deep=False)
            self.classifier = other.set_params(**parameters)

    @precondition(lambda self: self.fitted)
    @rule(bits=st.integers(1, 9), stays=st.booleans())
    def quantised_is_another_student(self, bits, stays):
        if not 2 <= bits <= 8:
            self.refuses(lambda: self.classifier.quantised(bits), "bits")
            return
        small = self.model.quantised(bits)
        proba = small.predict_proba(self.X)
        assert small.n_bits_ == bits and np.isfinite(proba).all()
        np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)
        if stays:
            self.classifier = small
            self.remember(self.X)
            np.testing.assert_array_equal(proba, self.proba)

    @rule(kept=st.booleans(), n_jobs=st.sampled_from((None, 1, 2)))
    def keep_answers_and_ask_in_workers(self, kept, n_jobs):
        memory = self.folder.name if kept else None
        self.classifier.set_params(memory=memory, n_jobs=n_jobs)

    @precondition(lambda self: self.fitted)
    @rule(how=st.sampled_from(("to_c", "to_html")))
    def export(self, how):
        before, path = dict(vars(self.classifier)), Path(self.folder.name) / "an export"
        getattr(self.model, how)(path)
        written = path.read_bytes()
        getattr(self.model, how)(path)
        assert path.read_bytes() == written
        self.is_as(before)

    def swap(self):
        """A swap of the teacher for the classifier."""
        swap = DeferringClassifier(self.classifier, max_disagreement=0.5, confidence=0.8)
        return swap.fit(np.concatenate([self.X] * 3))

    @precondition(lambda self: self.fitted)
    @rule(stays=st.booleans())
    def swap_is_loaded(self, stays):
        swap, path = self.swap(), os.path.join(self.folder.name, "a swap.tsdistill")
        swap.save(path)
        loaded = DeferringClassifier.load(path, teacher=self.classifier.teacher_)
        assert loaded.threshold_ == swap.threshold_
        np.testing.assert_array_equal(loaded.defers(self.X), swap.defers(self.X))
        np.testing.assert_array_equal(loaded.predict(self.X), swap.predict(self.X))
        self.check_answers(loaded.student_)
        if stays:  # a file keeps no settings of the machine
            parameters = self.classifier.get_params(deep=False)
            self.classifier = loaded.student_.set_params(**parameters)

    @precondition(lambda self: self.fitted)
    @rule(seed=st.integers(0, 3))
    def swap_is_watched(self, seed):
        swap = self.swap()
        answers = swap.predict(self.X)
        monitor = SwapMonitor(swap, audit_rate=0.5, random_state=seed)
        np.testing.assert_array_equal(monitor.predict(self.X), answers)
        alone = ~swap.defers(self.X)
        np.testing.assert_array_equal(
            answers[alone].astype(str), self.classifier.predict(self.X)[alone].astype(str)
        )
        assert monitor.n_seen_ == len(self.X)

    @precondition(lambda self: self.fitted)
    @rule(odd=st.sampled_from(("short", "channels", "NaN", "text", "0-D", "none")))
    def series_that_do_not_fit_are_refused(self, odd):
        X = {
            "short": lambda: self.X[..., :-1],
            "channels": lambda: np.ones((2, 5, self.X.shape[-1])),
            "NaN": lambda: np.where(np.arange(self.X.shape[-1]) == 1, np.nan, self.X),
            "text": lambda: np.full(self.X.shape, "x"),
            "0-D": lambda: 1.0,
            "none": lambda: self.X[:0],
        }[odd]()
        for ask in (self.classifier.predict, self.classifier.explain):
            self.refuses(lambda ask=ask: ask(X), "X", errors=(ValueError,))


TestLife = LifeOfAClassifier.TestCase
TestLife.settings = settings(FEWER, stateful_step_count=15)
