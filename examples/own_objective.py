"""An objective of your own: the student learns to be exactly as confident as its teacher.

Run with ``python examples/own_objective.py``; the data come with sktime.
"""

from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.objectives import Objective


class SameEntropy(Objective):
    """Squared difference between the entropies of student and teacher."""

    name = "same_entropy"  # the key of its value in history_

    def losses(self, answers, sample_weight):
        """One loss for each series; the caller applies the weights."""
        return (entropy(answers.student) - entropy(answers.teacher)).square()


def entropy(logits):
    """Entropy of each distribution, in nats."""
    log_proba = logits.log_softmax(dim=1)
    return -(log_proba.exp() * log_proba).sum(dim=1)


if __name__ == "__main__":
    X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
    teacher = RandomForestClassifier(100, min_samples_leaf=3, random_state=0).fit(X, y)
    for auxiliary in (None, SameEntropy(weight=2.0)):
        student = SaliencyDistilledClassifier(teacher, auxiliary=auxiliary, random_state=0)
        student.fit(X, y)
        agreement = student.fidelity_score(X_new)
        print(auxiliary, f"agreement {agreement:.3f}", student.history_[-1].get("same_entropy"))
