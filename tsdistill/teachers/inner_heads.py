"""Decision values of classifiers that answer only 0 or 1, although a linear head inside has them.

The Rocket family of sktime and aeon is a transform, a scaler and a ridge classifier, whose
``predict_proba`` gives 1 for the predicted class; Arsenal is an ensemble of these, whose members
vote. A pipeline of sktime's (``MultiRocket() * RidgeClassifierCV()``) answers like the first. What
the heads say before that is a much better lesson. The tables below name, by class, where the parts
are. MultiRocketHydra has two transforms, whose features its ridge classifier sees side by side.
"""

import numpy as np

ROCKETS = {
    ("sktime", "RocketClassifier"): ("estimator_",),
    ("sktime", "SklearnClassifierPipeline"): (),
    ("aeon", "HydraClassifier"): ("clf_",),
    ("aeon", "RocketClassifier"): ("pipeline_",),
    ("aeon", "MiniRocketClassifier"): ("pipeline_",),
    ("aeon", "MultiRocketClassifier"): ("pipeline_",),
}
"""Library and class, and the attributes that lead to the fitted pipeline."""
ENSEMBLES = {
    ("sktime", "Arsenal"): ("estimators_", "weights_"),
    ("aeon", "Arsenal"): ("estimators_", "weights_"),
}
"""Library and class, and the attributes that hold the fitted pipelines and their weights."""
BRANCHES = {
    ("aeon", "MultiRocketHydraClassifier"): (
        ("_transform_hydra", "_scale_hydra"),
        ("_transform_multirocket", "_scale_multirocket"),
        "classifier",
    ),
}
"""Library and class, the steps of each transform whose features stand side by side, the head."""


def inner_decision_function(model):
    """The decision function of the head inside a classifier, if it is one of the table.

    Parameters
    ----------
    model : fitted classifier

    Returns
    -------
    decision_function : callable or None
        Takes series, 2-D or 3-D, and gives decision values for the classes of the model. None if
        the model is not in the table, its head has probabilities, or its parts are not as in the
        versions that are known.

    Notes
    -----
    The members of an ensemble vote for classes; their decision values are averaged by the weights
    of their votes. The class of the highest mean is that of the most votes for nearly all series
    (``benchmarks/rocket.py --classifier Arsenal``), but not by construction.
    """
    name = type(model).__module__.partition(".")[0], type(model).__name__
    known = getattr(model, "classes_", ())
    if name in ROCKETS:
        pipeline = model
        for attribute in ROCKETS[name]:
            pipeline = getattr(pipeline, attribute, None)
        return _decision_function_of(pipeline, known)
    if name in ENSEMBLES:
        pipelines, weights = (getattr(model, attribute, ()) for attribute in ENSEMBLES[name])
        members = [_decision_function_of(pipeline, known) for pipeline in pipelines]
        if members and len(members) == len(weights) and None not in members:
            return _MeanOfHeads(members, weights)
    if name in BRANCHES:
        *branches, head = BRANCHES[name]
        steps = [[getattr(model, step, None) for step in branch] for branch in branches]
        if all(hasattr(step, "transform") for branch in steps for step in branch):
            return _usable_head(_SideBySide(steps), getattr(model, head, None), known)
    return None


def _decision_function_of(pipeline, known):
    """The decision function of the last step of a pipeline for the known classes, or None."""
    parts = _parts_of(pipeline)
    return None if parts is None else _usable_head(*parts, known)


def _usable_head(transform, head, known):
    """The decision function of a head after its transform for the known classes, or None."""
    known = np.asarray(known)
    of_head = np.asarray(getattr(head, "classes_", ()))
    usable = hasattr(head, "decision_function") and not hasattr(head, "predict_proba")
    usable = usable and getattr(head, "decision_function_shape", "ovr") == "ovr"
    if not usable or not np.array_equal(known, of_head):
        return None
    return _HeadInside(transform, head)


# Classes, not local functions, since a student is pickled with its teacher's adapter.


class _HeadInside:
    """Decision values of a head for series."""

    def __init__(self, transform, head):
        self.transform, self.head = transform, head

    def __call__(self, X):
        X = X[:, np.newaxis] if X.ndim == 2 else X
        features = np.asarray(self.transform(X))
        return self.head.decision_function(features.reshape(len(X), -1))


class _Transform:
    """What the last step of a pipeline of sktime's is given."""

    def __init__(self, pipeline):
        self.pipeline = pipeline

    def __call__(self, X):
        features = self.pipeline.transformers_.transform(X)
        convert = getattr(self.pipeline, "_convert_X_to_sklearn", None)
        return features if convert is None else convert(features)


class _SideBySide:
    """Features of several transforms, each a list of steps, side by side."""

    def __init__(self, branches):
        self.branches = branches

    def __call__(self, X):
        features = []
        for steps in self.branches:
            of_branch = X
            for step in steps:
                of_branch = step.transform(of_branch)
            features.append(np.asarray(of_branch))
        return np.concatenate(features, axis=1)


class _MeanOfHeads:
    """Weighted mean of the decision values of several heads."""

    def __init__(self, heads, weights):
        self.heads, self.weights = heads, weights

    def __call__(self, X):
        return np.average([head(X) for head in self.heads], axis=0, weights=self.weights)


def _parts_of(pipeline):
    """The transform and the head of a fitted pipeline of scikit-learn or sktime."""
    if hasattr(pipeline, "transformers_") and hasattr(pipeline, "classifier_"):  # sktime
        return _Transform(pipeline), pipeline.classifier_
    if hasattr(pipeline, "steps") and len(pipeline.steps) > 1:  # scikit-learn
        # One by one, since a slice is a Pipeline, which refuses steps that only transform.
        steps = [step for _, step in pipeline.steps[:-1] if step not in (None, "passthrough")]
        return _SideBySide([steps]), pipeline.steps[-1][1]
    return None
