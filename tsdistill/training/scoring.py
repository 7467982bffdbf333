"""skorch's scoring callbacks in a training whose batches hold copies and targets of a teacher."""

from skorch.callbacks import BatchScoring, Callback, EpochScoring

from tsdistill.exceptions import ParameterError
from tsdistill.numerics.logits import first_output

SCORING = (EpochScoring, BatchScoring)


def show_series_alone(net):
    """Let the scoring callbacks of a net see series and class indices, without perturbed copies.

    Parameters
    ----------
    net : initialised skorch.NeuralNet
    """
    net.callbacks_ = [
        (name, _ScoresSeries(one) if isinstance(one, SCORING) else one)
        for name, one in net.callbacks_
    ]


def check_scoring(name, callback, validation_fraction):
    """Refuse a scoring callback that could score nothing in a training.

    Parameters
    ----------
    name : str
    callback : skorch.callbacks.Callback
    validation_fraction : float or None

    Raises
    ------
    ParameterError
        Naming the callback and what to change.
    """
    if not isinstance(callback, SCORING):
        return
    who = f"callbacks holds {type(callback).__name__} (name {name!r})"
    if validation_fraction is None and not callback.on_train:
        raise ParameterError(
            f"{who}, which scores held-out series, but validation_fraction=None holds out no "
            "series. Pass validation_fraction, or on_train=True to the callback."
        )
    needs_labels = callback.scoring is None or isinstance(callback.scoring, str)
    if not callback.use_caching and (needs_labels or hasattr(callback.scoring, "_score_func")):
        raise ParameterError(
            f"{who} with use_caching=False, which needs series that can be asked about again; "
            "pass use_caching=True, which scores what the student answered in the training."
        )


class _ScoresSeries(Callback):
    """A scoring callback that is given the part of each batch which it can score.

    Series that the user passed, their class indices, and the student's probabilities for them.
    """

    def __init__(self, callback):
        self.callback = callback

    def __getattr__(self, name):
        if name == "callback" or name.startswith("__"):  # not there yet, as in unpickling
            raise AttributeError(name)
        return getattr(self.callback, name)

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.callback.on_train_begin(net, X=X, y=y, **kwargs)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.callback.on_train_end(net, X=X, y=y, **kwargs)

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.n_given_ = dataset_train.tensors.n_given
        self.callback.on_epoch_begin(
            net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs
        )

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.callback.on_epoch_end(
            net, dataset_train=dataset_train, dataset_valid=dataset_valid, **kwargs
        )

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.callback.on_batch_begin(net, batch=batch, training=training, **kwargs)

    def on_batch_end(self, net, batch=None, training=None, y_pred=None, **kwargs):
        inputs, targets = batch
        given = (targets["rows"] < self.n_given_).nonzero()[:, 0]
        if len(given) == 0:
            return
        answers = first_output(y_pred).detach()
        if net.predict_nonlinearity == "auto":  # which knows nothing of our criterion
            answers = net.criterion_.student.logits(answers).softmax(dim=1)
        series, labels = inputs[given], targets["labels"][given]
        self.callback.on_batch_end(
            net, batch=(series, labels), training=training, y_pred=answers[given], **kwargs
        )
