"""Steps of a training that are captured as CUDA graphs, and replayed.

A step of a small student is some hundreds of operations of a few microseconds each; to launch
them one by one takes longer than to run them (``benchmarks/gpu.py``). A graph launches all of
a step's operations at once: its copies, the student's answers, the loss and the gradients. Only the
rows differ from step to step, and they are written to the place where the graph reads them.
Callbacks, clipping and the optimiser stay with skorch.

Source: CUDA graphs in PyTorch, https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    EarlyStopping,
    EpochTimer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
)

from tsdistill.students import STUDENTS
from tsdistill.students.building import CONFIGURATION
from tsdistill.training.callbacks import EpochBar, RecordTerms, StopOnBadLoss

MOST_GRAPHS = 8
"""Batches of further sizes take their steps one operation at a time."""
FEWEST_STEPS = 100
"""A shorter training would end before graphs pay."""
CONTENT = {
    EarlyStopping, EpochBar, EpochTimer, GradientNormClipping, LRScheduler, PassthroughScoring,
    RecordTerms, StopOnBadLoss,
}  # fmt: skip
"""Callbacks that neither look at batches nor change what a step computes."""


def can_capture(net, tensors, loss, n_steps):
    """Whether the steps of a training may be captured: none of their parts decides by values.

    Students and objectives say so by ``capturable``. It is not assumed of what users bring, a
    class that inherits from ours included, nor of series that differ in length, and series that
    come to the card a pool at a time do not stay where a graph looks for them. With callbacks of
    users, which may look at batches and change what a step computes, steps are taken as ever.

    Parameters
    ----------
    net : initialised skorch.NeuralNet
    tensors : TransferTensors
    loss : DistillationLoss
    n_steps : int
        Of the whole training.

    Returns
    -------
    possible : bool
    """
    configuration = getattr(net.module_, CONFIGURATION, None)
    return (
        torch.device(net.device).type == "cuda"
        and type(net) is NeuralNetClassifier
        and type(configuration) in STUDENTS.values()
        and configuration.capturable
        and all(vars(type(one)).get("capturable", False) for one in loss.objectives)
        and not loss.learnt
        and tensors.stays
        and not tensors.uneven
        and n_steps >= FEWEST_STEPS
        and all(type(callback) in CONTENT for _, callback in net.callbacks_)
    )


def capture_steps(net, tensors, make_graph=None):
    """Let a net replay its steps, for batches of rows (``Steps(..., as_rows=True)``).

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier
    tensors : TransferTensors
    make_graph : callable, default=StepGraph
    """
    net.train_step_single = _CapturedSteps(net, tensors, make_graph or StepGraph)


class _CapturedSteps:
    """Takes the place of a net's ``train_step_single``."""

    def __init__(self, net, tensors, make_graph):
        self.net, self.tensors, self.make_graph = net, tensors, make_graph
        self.parameters = [p for p in net.module_.parameters() if p.requires_grad]
        self.graphs = {}

    def __call__(self, batch, **_):
        """Set the gradients; returns what skorch does."""
        if batch.sizes not in self.graphs and len(self.graphs) < MOST_GRAPHS:
            self.graphs[batch.sizes] = self._graph_of(batch)
        graph = self.graphs.get(batch.sizes)
        return self._step(batch) if graph is None else graph(batch)

    def _graph_of(self, batch):
        """The graph for batches of these sizes; None if the card cannot capture it, out of memory
        for example. What is wrong with the step itself comes up when it is taken.
        """
        kept = [*self.net.module_.buffers(), self.net.criterion_.totals]
        before = [tensor.clone() for tensor in kept]
        try:
            return self.make_graph(self._step, batch, self.parameters)
        except RuntimeError:
            return None
        finally:  # steps that were tried do not count
            for tensor, value in zip(kept, before, strict=True):
                tensor.copy_(value)
            for parameter in self.parameters:
                parameter.grad = None

    def _step(self, batch):
        """One step, operation by operation."""
        net = self.net
        net.module_.train()
        net.criterion_.train()
        inputs, targets = self.tensors.step(*batch)
        outputs = net.infer(inputs)
        loss = net.get_loss(outputs, targets, X=inputs, training=True)
        loss.backward()
        return {"loss": loss.detach(), "y_pred": outputs}


class StepGraph:
    """A step as a CUDA graph.

    Parameters
    ----------
    step : callable
        Takes a batch, and sets the gradients.
    batch : StepRows
        Of the sizes that are to be replayed.
    parameters : list of Tensor
    """

    def __init__(self, step, batch, parameters):
        self.parameters, self.batch = parameters, batch.copy()
        device = batch.rows.device
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):  # libraries set themselves up outside of a capture
            for _ in range(2):
                self._forget_gradients()
                step(self.batch)
        torch.cuda.current_stream(device).wait_stream(side)
        self._forget_gradients()
        self.graph = torch.cuda.CUDAGraph()
        # Other threads may use the card meanwhile.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.answer = step(self.batch)
        self.gradients = [parameter.grad for parameter in parameters]

    def __call__(self, batch):
        """Replay the step for other rows."""
        self.batch.take(batch)
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.answer

    def _forget_gradients(self):
        for parameter in self.parameters:
            parameter.grad = None
