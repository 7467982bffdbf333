"""The teachers, the series and the explainer that the benchmarks share."""

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler

from tsdistill.datasets import load_ucr
from tsdistill.explainers.occlusion import occlusion
from tsdistill.students import Inception

WINDOW = 0.1


def read_ucr(data_dir, name):
    """Read X and integer labels of a UCR set: training split, then test split."""
    parts = []
    for split in ("train", "test"):
        X, y = load_ucr(name, split, data_dir)
        parts += [X, y.astype(int)]
    return parts


class HalfPrecision(torch.nn.Module):
    """A network that computes in bfloat16 while it trains, and in float32 once it is trained."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    @property
    def stages(self):
        """Names of the modules that give feature maps."""
        return tuple(f"network.{name}" for name in self.network.stages)

    def forward(self, x):
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.training):
            return self.network(x).float()


class AskedElsewhere:
    """Networks that stay on their device, whichever one the student trains on.

    Parameters
    ----------
    nets : list of NeuralNetClassifier
        Their probabilities are averaged.
    classes : array of shape (n_classes,)
    """

    def __init__(self, nets, classes):
        self.nets, self.classes_ = nets, classes

    def decision_function(self, X, most_values=500_000):
        """Logarithms of the mean probability, of shape (n_series, n_classes)."""
        size = max(1, most_values // X[0].size)
        parts = [self._log_proba(X[i : i + size]) for i in range(0, len(X), size)]
        return np.concatenate(parts)

    @torch.no_grad()
    def _log_proba(self, X):
        X = torch.as_tensor(np.asarray(X, dtype=np.float32), device=self.nets[0].device)
        with torch.backends.cudnn.flags(allow_tf32=False):
            logits = torch.stack([net.module_.eval()(X) for net in self.nets])
        mean = torch.logsumexp(torch.log_softmax(logits, dim=2), dim=0) - np.log(len(self.nets))
        return mean.cpu().numpy()


def inception_teacher(
    X, y, seed, epochs=150, n_filters=32, n_blocks=3, wrap=lambda network: network, device="cpu"
):
    """Train an Inception network (157,000 weights in three blocks) on labels 0 .. K - 1."""
    torch.manual_seed(seed)
    steps = epochs * -(-len(X) // 32)
    size = Inception(n_filters=n_filters, n_blocks=n_blocks)
    network = size.build(*X.shape[1:], len(np.unique(y)))
    net = NeuralNetClassifier(
        wrap(network) if wrap else network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        lr=0.002,
        max_epochs=epochs,
        batch_size=32,
        device=device,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[
            LRScheduler(
                torch.optim.lr_scheduler.OneCycleLR,
                max_lr=0.002,
                total_steps=steps,
                step_every="batch",
            )
        ],
        verbose=0,
    )
    return net.fit(X, y)


def zero_occlusion(model, panel, target):
    """Maps by occlusion with zeros, in windows of a tenth of the series."""
    zeros = np.zeros_like(panel[:1])
    rows = np.zeros((target.max() + 1, 1), dtype=int)
    width = max(1, round(WINDOW * panel.shape[-1]))
    return occlusion(model, panel, target, zeros, rows, width)


class MiniRocketRidge:
    """sktime's MiniRocket with a ridge head; twice its decision values serve as logits."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, X, y):
        from sktime.transformations.panel.rocket import MiniRocket

        self.rocket_ = MiniRocket(random_state=self.seed).fit(X)
        features = self.rocket_.transform(X).to_numpy()
        self.centre_, self.scale_ = features.mean(axis=0), features.std(axis=0) + 1e-8
        self.ridge_ = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
        self.ridge_.fit((features - self.centre_) / self.scale_, y)
        self.classes_ = self.ridge_.classes_
        return self

    def decision_function(self, X):
        features = self.rocket_.transform(np.asarray(X)).to_numpy()
        return 2 * self.ridge_.decision_function((features - self.centre_) / self.scale_)
