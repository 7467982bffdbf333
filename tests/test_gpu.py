"""What runs on a GPU; skipped where there is none."""

import numpy as np
import pytest
import torch

from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import GRU, Inception, Lite

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("student", [Lite(), GRU()], ids=repr)
def test_student_trains_and_explains_on_the_gpu(toy, student):
    X, y = toy
    torch.manual_seed(0)
    teacher = Inception(n_filters=4).build(1, 20, 3)
    settings = {"max_epochs": 20, "random_state": 0, "device": "cuda"}
    model = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    assert next(model.student_.module_.parameters()).is_cuda
    assert not next(teacher.parameters()).is_cuda and teacher.training
    for method in ("occlusion", "gradient"):
        for of in ("student", "teacher"):
            assert np.isfinite(model.explain(X, of=of, method=method)).all()
    again = SaliencyDistilledClassifier(teacher, student, **settings).fit(X, y)
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-3)
