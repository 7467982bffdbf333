"""Decision values of classifiers that answer only 0 or 1, although a linear head inside has them.

The Rocket family of sktime and aeon is a transform, a scaler and a ridge classifier, whose
``predict_proba`` gives 1 for the predicted class. What the head says before that is a much better
lesson. The table below names, by class, where the parts are.
"""

import numpy as np

ROCKETS = {
    ("sktime", "RocketClassifier"): ("estimator_",),
    ("aeon", "RocketClassifier"): ("pipeline_",),
    ("aeon", "MiniRocketClassifier"): ("pipeline_",),
    ("aeon", "MultiRocketClassifier"): ("pipeline_",),
}
"""Library and class, and the attributes that lead to the fitted pipeline."""


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
    """
    library = type(model).__module__.partition(".")[0]
    path = ROCKETS.get((library, type(model).__name__))
    if path is None:
        return None
    pipeline = model
    for attribute in path:
        pipeline = getattr(pipeline, attribute, None)
    parts = _parts_of(pipeline)
    if parts is None:
        return None
    transform, head = parts
    known = np.asarray(getattr(model, "classes_", ()))
    of_head = np.asarray(getattr(head, "classes_", ()))
    usable = hasattr(head, "decision_function") and not hasattr(head, "predict_proba")
    if not usable or not np.array_equal(known, of_head):
        return None

    def decision_function(X):
        X = X[:, np.newaxis] if X.ndim == 2 else X
        return head.decision_function(np.asarray(transform(X)))

    return decision_function


def _parts_of(pipeline):
    """The transform and the head of a fitted pipeline of scikit-learn or sktime."""
    if hasattr(pipeline, "transformers_") and hasattr(pipeline, "classifier_"):  # sktime
        return pipeline.transformers_.transform, pipeline.classifier_
    if hasattr(pipeline, "steps") and len(pipeline.steps) > 1:  # scikit-learn
        return pipeline[:-1].transform, pipeline[-1]
    return None
