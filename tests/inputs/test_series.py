"""Names of columns."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression


def test_names_of_columns_follow_scikit_learn_and_do_not_reach_the_teacher(toy, quick, recwarn):
    X, y = toy
    frame = pd.DataFrame(X, columns=[f"t{t}" for t in range(20)])
    student = quick(LogisticRegression().fit(frame, y)).fit(frame, y)
    assert student.feature_names_in_.tolist() == list(frame.columns)
    student.fidelity_score(frame)
    student.explain(frame, of="teacher")
    assert not [w for w in recwarn if "feature names" in str(w.message)]
    with pytest.raises(ValueError, match="feature names"):
        student.predict(frame[frame.columns[::-1]])
    np.testing.assert_array_equal(
        quick(LogisticRegression()).fit(X, y).predict(X),
        quick(LogisticRegression()).fit(frame, y).predict(frame),
    )
