import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.classification.feature_based import SummaryClassifier
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.classification.model_selection import TSCGridSearchCV
from sktime.datasets import load_japanese_vowels
from sktime.datatypes import convert_to
from sktime.exceptions import NotFittedError
from sktime.transformations.adapt import TabularToSeriesAdaptor
from sktime.transformations.impute import Imputer
from sktime.transformations.interpolate import TSInterpolator

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.display import SaliencyDisplay
from tsdistill.exceptions import PanelError, TeacherError
from tsdistill.fidelity import fidelity_scorer
from tsdistill.sktime import SaliencyDistilledTSC

pytestmark = pytest.mark.filterwarnings(  # the forest is certain of the series it was grown on
    "ignore::tsdistill.exceptions.HardTeacherWarning"
)

QUICK = {"max_epochs": 40, "n_windows": 8, "n_mixtures": 10, "random_state": 0}
HASTY = QUICK | {"max_epochs": 5}  # for what is compared with the like of it


@pytest.fixture(scope="module")
def forest(italy):
    return TimeSeriesForestClassifier(n_estimators=20, random_state=0).fit(*italy[:2])


@pytest.fixture(scope="module")
def fitted(italy, forest):
    """A student of the forest that the tests read and none changes."""
    return SaliencyDistilledTSC(forest, **HASTY).fit(*italy[:2])


def test_it_is_the_same_classifier(italy, forest, fitted):
    X, y, X_test, _ = italy
    ours = fitted
    theirs = SaliencyDistilledClassifier(forest, **HASTY).fit(X, y)
    np.testing.assert_array_equal(ours.predict_proba(X_test), theirs.predict_proba(X_test))
    np.testing.assert_array_equal(ours.predict(X_test), theirs.predict(X_test))
    for metric in ("agreement", "kl", "saliency"):
        few = X_test[:30]
        assert ours.fidelity_score(few, metric=metric) == theirs.fidelity_score(few, metric=metric)
    for of in ("student", "teacher"):
        np.testing.assert_array_equal(
            ours.explain(X_test[:5], of=of, target=y[0]),
            theirs.explain(X_test[:5], of=of, target=y[0]),
        )
    assert ours.teacher is forest and ours.classifier_.teacher is forest


def test_reports_and_pictures_are_those_of_the_same_classifier(italy, forest, fitted):
    X, y, X_test, y_test = italy
    few, truth = X_test[:30], y_test[:30]
    ours = fitted
    alone = {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 0}
    alone = SaliencyDistilledTSC(forest, **HASTY, **alone).fit(X, y)
    nested = convert_to(few, "nested_univ")
    report = ours.fidelity_report(nested, truth, label_only=alone, n_explained=20)
    theirs = ours.classifier_.fidelity_report(
        few, truth, label_only=alone.classifier_, n_explained=20
    )
    pd.testing.assert_frame_equal(report.to_frame(), theirs.to_frame())
    zero = ours.explain(nested, fill="zero")
    np.testing.assert_array_equal(zero, ours.classifier_.explain(few, fill="zero"))
    nll = ours.fidelity_score(nested, truth, metric="nll")
    assert nll == ours.classifier_.fidelity_score(few, truth, metric="nll")
    display = SaliencyDisplay.from_estimator(ours, convert_to(few[:2], "nested_univ"))
    assert display.axes_.shape == (2, 2)


@pytest.mark.parametrize("name", ["nested_univ", "pd-multiindex", "df-list", "numpyflat"])
def test_it_takes_sktimes_formats_everywhere(italy, forest, fitted, name):
    X, y, X_test, _ = italy
    few = X_test[:5]
    student = SaliencyDistilledTSC(forest, **HASTY).fit(convert_to(X, name), y)
    np.testing.assert_array_equal(student.predict_proba(few), fitted.predict_proba(few))
    np.testing.assert_array_equal(student.explain(convert_to(few, name)), fitted.explain(few))
    assert student.fidelity_score(convert_to(few, name)) == fitted.fidelity_score(few)


def fitted_teacher_of(estimator):
    teacher = estimator.teacher
    return teacher.model if isinstance(teacher, Teacher) else teacher


@pytest.mark.slow
def test_a_fitted_teacher_survives_sktimes_clones_pipelines_and_searches(italy, forest):
    X, y, X_test, y_test = italy
    student = SaliencyDistilledTSC(forest, **QUICK)
    assert student.clone().teacher is forest
    assert clone(student).teacher is forest
    pipeline = TabularToSeriesAdaptor(StandardScaler(), pooling="global") * student
    assert fitted_teacher_of(pipeline.clone().classifier) is forest
    pipeline = (TSInterpolator(24) * student).fit(X, y)
    assert fitted_teacher_of(pipeline.classifier_) is forest
    assert np.mean(pipeline.predict(X_test) == y_test) > 0.85
    search = TSCGridSearchCV(student, {"saliency_weight": [0.0, 5.0]}, cv=2).fit(X, y)
    assert fitted_teacher_of(search.best_estimator_) is forest


@pytest.mark.slow
def test_it_works_in_scikit_learns_searches_and_pipelines(italy, forest):
    X, y, X_test, y_test = italy
    grid = {"saliency_weight": [0.0, 5.0], "student__n_filters": [2, 4]}
    student = SaliencyDistilledTSC(forest, **QUICK)
    search = GridSearchCV(
        student, grid, cv=2, scoring=fidelity_scorer("saliency"), error_score="raise"
    ).fit(X, y)
    assert fitted_teacher_of(search.best_estimator_) is forest
    assert search.best_params_["saliency_weight"] == 5.0
    pipeline = Pipeline([("as it is", FunctionTransformer()), ("student", student)]).fit(X, y)
    assert np.mean(pipeline.predict(X_test) == y_test) > 0.85


def test_pickles(italy, fitted):
    X_test = italy[2]
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict_proba(X_test), fitted.predict_proba(X_test))
    assert copied.fidelity_score(X_test) == fitted.fidelity_score(X_test)


def test_saves_without_pickle_too(italy, fitted, tmp_path):
    X_test = italy[2][:20]
    names = pd.DataFrame({"a": [pd.Series(one[0]) for one in X_test]})
    student = SaliencyDistilledTSC(fitted.teacher, **HASTY)
    student.fit(pd.DataFrame({"a": [pd.Series(one[0]) for one in italy[0]]}), italy[1])
    path = tmp_path / "student.tsdistill"
    student.save(path, serialization_format="tsdistill")
    loaded = SaliencyDistilledTSC.load(path, teacher=fitted.teacher)
    np.testing.assert_array_equal(loaded.predict_proba(names), student.predict_proba(names))
    np.testing.assert_array_equal(loaded.explain(names), student.explain(names))
    assert loaded.fidelity_score(names) == student.fidelity_score(names)
    with pytest.raises(ValueError, match="channels"):
        loaded.predict(names.rename(columns={"a": "b"}))
    assert loaded.classifier_.student_ is not None and "_fit" not in vars(loaded)
    kept = student.save(tmp_path / "pickled")  # sktime's own
    kept.close()
    again = SaliencyDistilledTSC.load_from_path(tmp_path / "pickled.zip")
    np.testing.assert_array_equal(again.predict(names), student.predict(names))
    with pytest.raises(NotFittedError):
        SaliencyDistilledTSC(fitted.teacher).save(path, serialization_format="tsdistill")


def test_unequal_length_names_the_transformers(forest):
    series = [np.arange(5.0), np.arange(6.0)]
    panel = pd.DataFrame({"a": [pd.Series(one) for one in series]})
    names = "PaddingTransformer.*TSInterpolator"
    for teacher in (forest, clone(forest)):
        with pytest.raises(TeacherError, match=f"cannot take series of unequal length.*{names}"):
            SaliencyDistilledTSC(teacher).fit(panel, np.array([0, 1]))
    student = SaliencyDistilledTSC(forest, max_epochs=2, n_windows=4, n_mixtures=4)
    student.fit(np.repeat([[[0.0]], [[1.0]]], 24, axis=2), np.array(["1", "2"]))
    with pytest.raises(PanelError, match=f"5 to 6 timepoints.*{names}"):
        student.predict(panel)


@pytest.mark.slow
def test_series_of_several_channels_and_lengths_in_every_format():
    X, y = load_japanese_vowels(split="train", return_type="nested_univ")
    rows = np.r_[0:8, 60:68]
    nested, y = X.iloc[rows, :3].reset_index(drop=True), y[rows]
    quick = {"max_epochs": 3, "n_windows": 2, "n_mixtures": 0, "random_state": 0}
    forest = RandomForestClassifier(5, random_state=0)
    teacher = TSInterpolator(20) * SummaryClassifier(estimator=forest)
    lengths = [len(cell) for cell in nested.iloc[:, 0]]
    answers = []
    for name in ("nested_univ", "pd-multiindex", "df-list"):
        panel = convert_to(nested, name)
        student = SaliencyDistilledTSC(teacher, **quick).fit(panel, y)
        answers.append(student.predict_proba(panel))
        maps = student.explain(panel)
        assert (~np.isnan(maps)).sum(axis=1).tolist() == lengths
        assert 0 <= student.fidelity_score(panel) <= 1
    np.testing.assert_allclose(answers[1:], [answers[0]] * 2, atol=1e-5)


def test_a_flat_classifier_can_be_the_teacher(italy):
    X, y, X_test, y_test = italy
    student = SaliencyDistilledTSC(RandomForestClassifier(20, random_state=0), **QUICK).fit(X, y)
    assert np.mean(student.predict(X_test) == y_test) > 0.85


def test_fidelity_of_a_pipeline(italy, forest):
    X, y, X_test, _ = italy
    pipeline = (TSInterpolator(24) * SaliencyDistilledTSC(forest, **HASTY)).fit(X, y)
    inner = pipeline.classifier_
    assert fidelity_scorer("kl")(pipeline, X_test) == pytest.approx(
        inner.fidelity_score(X_test, metric="kl"), abs=1e-4
    )


def test_a_single_class_is_sktimes_business_until_it_is_explained(italy, forest):
    X, y, _, _ = italy
    student = SaliencyDistilledTSC(forest).fit(X[y == y[0]], y[y == y[0]])
    assert set(student.predict(X)) == {y[0]}
    with pytest.raises(PanelError, match="one class only"):
        student.explain(X)


def test_get_params_hands_a_fitted_teacher_out_wrapped_and_keeps_the_bare_one(italy, forest):
    student = SaliencyDistilledTSC(forest, max_epochs=2, n_windows=4, n_mixtures=4)
    assert isinstance(student.get_params()["teacher"], Teacher)
    assert student.fit(*italy[:2]).teacher is forest
    assert student.set_params(lr=0.5).teacher is forest
    student = SaliencyDistilledTSC([forest, forest])
    assert student.clone().teacher == [forest, forest]
    pipeline = (TSInterpolator(24) * student).clone()
    assert pipeline.classifier.teacher.model == [forest, forest]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y=None; SaliencyDistilledTSC needs one label for each series, of shape"),
        (np.zeros((67, 2, 2)), r"y of shape \(67, 2, 2\); SaliencyDistilledTSC needs one label"),
        (np.array("1"), r"y of shape \(\); SaliencyDistilledTSC needs one label"),
        (["1", "2"], "X has 67 series but y has 2 labels; pass one for each"),
    ],
)
def test_labels_that_are_none_for_each_series_are_refused(italy, forest, y, message):
    with pytest.raises(PanelError, match=message):
        SaliencyDistilledTSC(forest, **HASTY).fit(italy[0], y)


@pytest.mark.slow
def test_several_outputs_are_predicted_and_explained_one_by_one(italy):
    X, y = italy[:2]
    teacher = TimeSeriesForestClassifier(n_estimators=5, random_state=0)
    student = SaliencyDistilledTSC(teacher, **HASTY).fit(X, np.stack([y, y[::-1]], axis=1))
    assert student.predict(X).shape == (67, 2)
    with pytest.raises(PanelError, match="several columns, with one student each"):
        student.explain(X)


@pytest.mark.slow
@pytest.mark.parametrize("fitted_before", [True, False])
def test_series_with_gaps_may_be_imputed_first(italy, forest, fitted_before):
    X, y, X_test, _ = italy
    gaps, gaps_test = X.copy(), X_test[: len(X)].copy()  # as many, since Imputer asks for that
    gaps[::3, 0, 5:8] = np.nan
    gaps_test[::2, 0, 10] = np.nan
    teacher = forest if fitted_before else clone(forest)
    pipeline = Imputer("linear") * SaliencyDistilledTSC(teacher, **QUICK)
    pipeline.fit(gaps, y)
    assert np.mean(pipeline.predict(gaps) == y) > 0.85
    assert np.isfinite(pipeline.predict_proba(gaps_test)).all()
