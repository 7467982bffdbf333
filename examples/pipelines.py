"""The classifier in pipelines: a scikit-learn Pipeline inside a search, and a sktime pipeline.

    python examples/pipelines.py

The data set is BasicMotions: six channels, 100 timesteps, four classes. scikit-learn's
StandardScaler takes no 3-D panels, and scikit-learn 1.9's Pipeline cannot hold transformers of
sktime 1.2 (it sets an attribute on each step, which sktime's ``fit`` deletes: AttributeError about
_parent_callback_ctx). Two alternatives work:

* with scikit-learn, a StandardScaler between two FunctionTransformers; the first makes a row of
  each timestep of each series, the second restores the panel;
* with sktime, its own pipeline (``*``) with SaliencyDistilledTSC as the last step, and
  TabularToSeriesAdaptor, which turns any scikit-learn scaler into a transformer of series.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.classification.feature_based import SummaryClassifier
from sktime.datasets import load_basic_motions
from sktime.transformations.interpolate import TSInterpolator
from sktime.transformations.series.adapt import TabularToSeriesAdaptor

from tsdistill import SaliencyDistilledClassifier
from tsdistill.fidelity import fidelity_scorer
from tsdistill.sktime import SaliencyDistilledTSC


def to_rows(X):
    """Reshape (n_instances, n_channels, n_timepoints) to one row per timestep of each series."""
    return np.swapaxes(X, 1, 2).reshape(-1, X.shape[1])


def to_panel(rows, n_timepoints):
    """Reshape rows back to (n_instances, n_channels, n_timepoints)."""
    return np.swapaxes(rows.reshape(-1, n_timepoints, rows.shape[1]), 1, 2)


def scale_channels(n_timepoints):
    """Steps that scale each channel to mean 0, standard deviation 1 over the training series."""
    return (
        FunctionTransformer(to_rows),
        StandardScaler(),
        FunctionTransformer(to_panel, kw_args={"n_timepoints": n_timepoints}),
    )


def in_scikit_learn(X, y, X_test, y_test):
    """Search over a Pipeline; the unfitted teacher is fitted on the scaled series of each fold."""
    teacher = SummaryClassifier(estimator=LogisticRegression(max_iter=1000))
    student = SaliencyDistilledClassifier(teacher, max_epochs=300, random_state=0)
    pipeline = make_pipeline(*scale_channels(X.shape[2]), student)
    search = GridSearchCV(
        pipeline,
        {"saliencydistilledclassifier__saliency_weight": [0.0, 5.0]},
        scoring={"accuracy": "accuracy", "saliency": fidelity_scorer("saliency")},
        refit="saliency",
        cv=2,
        error_score="raise",
    ).fit(X, y)
    kd, ours = search.cv_results_["mean_test_saliency"]
    print(f"scikit-learn: accuracy {search.best_estimator_.score(X_test, y_test):.3f}")
    print(f"  saliency correlation in cross-validation: KD {kd:.2f}, saliency-distilled {ours:.2f}")


def in_sktime(X, y, X_test, y_test):
    """Distil a teacher that was fitted in a pipeline with the same first steps as the student's."""
    scale = TabularToSeriesAdaptor(StandardScaler(), pooling="global")
    shorten = TSInterpolator(50)
    teacher = (scale * shorten * SummaryClassifier()).fit(X, y)
    student = SaliencyDistilledTSC(teacher.classifier_, max_epochs=300, random_state=0)
    pipeline = (scale * shorten * student).fit(X, y)
    print(f"sktime: accuracy {np.mean(pipeline.predict(X_test) == y_test):.3f}")
    shortened = pipeline.transformers_.transform(X_test)
    print(f"  agreement {pipeline.classifier_.fidelity_score(shortened):.3f}")


def main():
    torch.set_num_threads(1)
    X, y = load_basic_motions(split="train", return_type="numpy3D")
    X_test, y_test = load_basic_motions(split="test", return_type="numpy3D")
    in_scikit_learn(X, y, X_test, y_test)
    in_sktime(X, y, X_test, y_test)


if __name__ == "__main__":
    main()
