"""The values of the random trial, and the names that their expressions use.

A table has expressions of Python for an argument, separated by ";": good | doubtful | bad ones.
``$name`` stands for a list of :data:`LISTS`.
"""

import contextlib
import copy
import decimal
import functools
import os
import pathlib
import pickle
import re
import tempfile
import threading
import time
from fractions import Fraction

import joblib
import numpy as np
import pandas as pd
import sktime.datatypes
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EarlyStopping
from torch import nn

from tsdistill import (
    DeferringClassifier,
    SaliencyDistilledClassifier,
    Teacher,
    datasets,
    fidelity,
    objectives,
    students,
)

LISTS = {
    "never": r"'x'; ''; '1'; {}; []; (1, 2); NAN; -INF; b'x'; 1j; pathlib.Path('x'); '\ud800';"
    " object; np.array([1, 2])",
    "numbers": "Fraction(1, 2); decimal.Decimal(1); True; np.array(1); 1e-30; 1e-200; 2.0;"
    " torch.tensor(1); np.True_",
    "arrays": "None; 3; 'x'; {}; []; [[]]; [[1], [1, 2]]; np.zeros(0); np.zeros((0, 3));"
    " np.full((n, 3), NAN); np.full((n, 3), 1j); np.full((n, 3), 'x'); object(); [None] * n;"
    " np.zeros((n, 3, 2, 2)); np.zeros((n - 1, 3))",
    "text": r"''; 'x'; {}; 3; '\ud800'; 'a\0b'; '../x'; []; b'x'; 'x' * 9999; '*'",
}


class Table:
    """Expressions that are good, doubtful or bad for an argument, each a list of str."""

    def __init__(self, text):
        for name, expressions in LISTS.items():
            text = text.replace(f"${name}", expressions)
        self.good, self.doubtful, self.bad = map(split, f"{text}||".split("|")[:3])


def split(text):
    return [" ".join(one.split()) for one in text.split(";") if one.strip()]


def tables(text):
    """Read many tables; each starts a line with the names of its arguments and a colon."""
    parts = re.split(r"^(\w[\w, ]*): ", text, flags=re.M)
    known = zip(parts[1::2], map(Table, parts[2::2]), strict=True)
    return {name: table for names, table in known for name in names.split(", ")}


# a: series (n, T) or (n, C, T), float64; k: class of each series; n: their number
SERIES = tables(r"""
values: a; a; a; with_first(a, 0.1); with_first(a, -3.3); a * 0 + 0.7; a[:1].repeat(len(a), 0); a *
    1e-6; a * 1e6 | a * 1e30; a * 1e-40; a * 1e-300; a + 1e9; (a * 100).astype(int) + 2**60;
    spoiled(a, 1e35) | spoiled(a, NAN); spoiled(a, INF); a * 1e300; spoiled(a, 1e39)
dtype: a; a; a.astype('f2'); a.astype('f4'); a.astype('g'); a.astype('i1'); a.astype('i2');
    a.astype(int); a.astype('>f4'); abs(a).astype('u1'); a.astype(object) | a > 0; a.astype(str);
    a.astype(str).astype(object); fractions(a) | a + 1j; a.astype(int).astype('M8[s]');
    a.astype(int).astype('m8[s]')
shape: a | a[:1]; a[..., :1]; a[..., :2]; np.moveaxis(a, -1, 1) | a[:0]; a[..., :0];
    a.reshape(len(a), -1)[:, 0]; a.reshape(len(a), 1, 1, -1); [*a[:-1], a[-1][..., :-2]]; a[:, :0]
    if a.ndim == 3 else a[:0]
container: a; np.asfortranarray(a); a.repeat(2, -1)[..., ::2]; a[..., ::-1].copy()[..., ::-1];
    read_only(a); memmap(a); a.tolist(); list(a); tuple(a); tensor(a); objects(a); frame(a);
    panel(a, 'nested_univ'); panel(a, 'pd-multiindex'); panel(a, 'df-list'); np.ma.masked_array(a);
    tensor(a).float().requires_grad_() | tensor(a).bfloat16(); frame(a, ['t'] * a.shape[-1]);
    np.matrix(np.ones((n, 9))); 3.0; None; frame(a, ['t', *range(1, a.shape[-1])]); 'series';
    dict(enumerate(a)); (row for row in a); [[]]; [None] * n; [{}] * n; {} | masked(a); [a.tolist(),
    a.tolist()[:3]]
""")
ARGUMENTS = tables(r"""
y: k; LABELS[k]; LABELS.astype(object)[k]; k + 1.0; k > 0; k * 2 - 1; k + 2**61; -k; k.astype('u1');
    k.astype(object); LABELS[k].tolist(); pd.Series(LABELS[k], index=k + 7);
    pd.Series(LABELS[k]).astype('category'); torch.from_numpy(k); read_only(k) | None; None;
    LABELS.astype('S')[k]; k[:, None]; k.astype('M8[D]'); [(int(i), 0) for i in k]; ['a' if i else 1
    for i in k]; [decimal.Decimal(int(i)) for i in k]; {}; iter(k); pd.DataFrame(k);
    torch.from_numpy(k).float().requires_grad_(); torch.tensor(k).bfloat16() | [None if i == 1 else
    str(i) for i in k]; np.where(k == 1, NAN, k); k * 0; k[:-1]; 1; 'y'; np.eye(3, dtype=int)[k]; k
    + 0.5 * (k > 0); np.where(k == 1, INF, k); k * 1j; masked(k)
sample_weight: None; None; np.ones(n); np.arange(n) // 4 % 2 + 0.0; [1] * n; torch.ones(n); 2.0;
    read_only(np.arange(1.0, n + 1)); pd.Series(np.ones(n)); np.full(n, 1e-30); np.arange(n) + 1 |
    np.eye(n)[0]; np.full(n, 1e300); np.where(np.arange(n) == 1, 1e300, 1.0); ['1'] * n;
    np.arange(n) % 3 > 0; [Fraction(1, 2)] * n; torch.ones(n).requires_grad_(); np.ones((n, 1));
    np.full(n, 1e-320); np.full(n, 1e30, 'f4'); torch.ones(n).bfloat16(); np.ones(n, object) |
    np.zeros(n); -np.ones(n); np.full(n, NAN); np.full(n, INF); np.ones(n - 1); 'balanced'; {};
    np.full(n, 1j); [None] * n; masked(np.ones(n)); -1; NAN; object()
""")
# a: as above; y: labels
TEACHERS = Table(r"""
    fit(a, y, RandomForestClassifier(3, random_state=0)); fit(a, y, LogisticRegression()); fit(a, y,
    StandardScaler(copy=False), LogisticRegression()); fit(a, y, RidgeClassifier()); fit(a, y,
    SVC(break_ties=True)); fit(a, y, KNN()); chain(StandardScaler(copy=False), KNN());
    chain(RandomForestClassifier(3)); flat_net(a, y); flat_net(a, y).eval(); locked(y);
    Teacher(fitted_net(a, y), set_of(y)); flat_net(a, y, two_outputs); asks(y); lambda X,
    ask=asks(y): ask(X); Teacher(asks(y), set_of(y)); [flat_net(a, y), flat_net(a, y)];
    [Does('nothing').fit(a, y), fit(a, y, SVC(break_ties=True))]; Does('X[:] = 0').fit(a, y);
    Does('nothing').fit(a, y); Does('X[:] = 0', 'fit'); Does('y[:] = y[::-1].copy()', 'fit');
    Does('w is None or w.fill(1)', 'fit'); Does('nothing') | fit(a, y, DummyClassifier());
    flat_net(a, y).double(); fitted_net(a, y); Teacher(asks(y), set_of(y)[::-1]); Does('1 / 0',
    'fit'); Does('nothing').fit(a, indices(y)); Teacher(functools.partial(mean_proba, n_classes=5),
    [*set_of(y), *'pqr'][:5]); Does('1 / 0').fit(a, y); Does('p.tolist()').fit(a, y);
    Does('torch.tensor(p)').fit(a, y); Does('p.astype(np.float16)').fit(a, y);
    Does('print(1)').fit(a, y); [asks(y), Does('p[:, ::-1]').fit(a,
    y)]; Does('pd.DataFrame(p)').fit(a, y) | Does('p * NAN').fit(a, y); Does('p[:, 0]').fit(a, y);
    Does('p.astype(str)').fit(a, y); None; Does('p * 2').fit(a, y); Does('p[:-1]').fit(a, y);
    Does('{}').fit(a, y); 'forest'; SVC; []; 3; Does('p - 0.5').fit(a, y); Does('p[None]').fit(a,
    y); Does('p + 0j').fit(a, y); {}; [None]; fit(a[..., :-1], y, SVC(break_ties=True)); flat_net(a,
    y, not_a_number); np.ones(3); Teacher(asks(y), set_of(y)[:1]); Teacher(asks(y), ['p', 'q',
    'r']); Teacher(None); object(); LinearRegression().fit(a.reshape(n, -1), k); lambda: 0;
    Teacher(asks(y), []); Teacher(asks(y), 3); Teacher(asks(y), [0, 0, 0]); Does('None').fit(a, y)
""")
UNPICKLABLE = Table("fit(a, y, LogisticRegression()); asks(y) | locked(y)")
WELL_FITTED = "SVC(break_ties=True))", "StandardScaler(copy=False), LogisticRegression())"
# c, t, k: channels, timepoints, classes
STUDENTS = Table(r"""
    S.Lite(n_filters=2); S.Lite(np.int8(2), [3, 5]); S.FCN(2); S.ResNet(2, 1); S.GRU(3);
    S.Inception(2, 1); Flat(c * t, k); make_flat; lambda *shape: make_flat(*shape); net(c, t, k);
    net(c, t, k, softmax, criterion=nn.NLLLoss, lr=1e-4); Flat(c * t, k, two_outputs); net(c, t, k,
    callbacks=[EarlyStopping('train_loss')]); net(c, t, k, max_epochs=1, lr=0.1) |
    S.Lite(n_filters=2.0); S.GRU(True); Flat(c * t, k).double(); net(c, t, k, max_epochs=0); net(c,
    t, k, callbacks=[EarlyStopping()]); net(c, t, k, lr='x'); net(c, t, k, batch_size=-1); net(c, t,
    k, callbacks=[Checkpoint('no_such', f_params=None)]); S.Lite(2, (10**4,)); net(c, t, k,
    criterion=nn.MSELoss); Flat(c * t, k).requires_grad_(False); net(c, t, k, optimizer='x'); net(c,
    t, k, callbacks=['x']); S.Lite(2, stride=10**3); Flat(c * t, k).half() | Flat(c * t, k,
    not_a_number); Flat(c * t, 1); Flat(c * t + 1, k); S.Lite; nn.ReLU; None; ''; nn.Flatten();
    lambda *shape: None; lambda: 0; 'nope'; {}; []; 3; '\ud800'; ['lite']; pathlib.Path('lite');
    S.Lite(0); S.Lite(-1); S.Lite('a'); S.Lite(None); S.Lite(2, ()); S.Lite(2, 3); S.Lite(2, (0,));
    S.Lite(2, ('a',)); S.Lite(2, stride=0); S.FCN(NAN); S.Lite(2, stride=None); S.Lite(2,
    dilation=-1); S.GRU(3, 0); S.GRU(3, 'x'); S.ResNet(2, -1); S.Inception(2, 1.5); S.FCN(2, {});
    lambda *shape: 1 / 0; net(c, t, k, device='meta'); Flat(c * t, k, lambda z: z.tolist())
""")
SETTINGS = tables(r"""
max_epochs, n_windows: 1; 2; 3; np.int8(4); np.int64(12) | $numbers; None; 100 | $never; -1; 0; 0.5;
    -10**30
windows_per_step: 1; 2; 0.5; np.int8(4); np.float32(0.25) | $numbers; 100 | $never; None; -1; 0;
    1.5; -10**30
n_mixtures: 0; 1; np.int8(4); np.int64(12) | $numbers; None | $never; -1; 0.5; -10**30
n_queries: None; 2000; np.int64(3000) | $numbers; 30; 300 | $never; -1; 0; 0.5; -10**30
temperature: 1; 0.5; 4.0; np.float16(2); np.int8(1); 0.01; 1000.0 | $numbers | $never; None; 0; -1;
    INF; 0.009; 1001; 1e160; 10**30; 10**400
label_weight: 0; 0.1; 1; np.float32(3) | $numbers; 10**30; 1e29 | $never; None; -1; INF; -1e-9;
    1.1e30; 1e160; 10**400
saliency_weight: None; 0; 0.1; 1; np.float32(3) | $numbers; 10**30; 1e29 | $never; -1; INF; -1e-9;
    1.1e30; 1e160; 10**400
soft_target_weight: 0.5; 1; np.int8(2) | $numbers; 0 | $never; None; -1; INF; 1e31
lr: 0.01; np.float32(0.1) | $numbers | $never; None; 0; -1; INF; 1e31; 10**400
saliency: 'logit_change'; 'class'; 'sum'; 'decoupled' | 'gradient' | $never; None; 3
donors: 'opposing'; 'same'; 'any'; 'mean'; 'zero'; 'noise' | | $never; None; 3
window_size: 0.1; 3; 0.5; np.int8(2); np.float32(0.2); 1 | $numbers; 1.0; 12 | $never; None; 0; -1;
    -0.5; 1.5; 10**30
batch_size: 4; 32; np.int8(5); 10**6 | $numbers; 10**30; 2**63; 1 | $never; None; -1; 0; 0.5
device: 'cpu'; torch.device('cpu') | 'cpu:0'; 'cpu:1'; 'mps'; '\ud800' | None; ''; 'x'; 'cuda'; -1;
    {}; NAN; b'cpu'; 2**70; 0; 'meta'; torch.device('meta'); ['cpu']
callbacks: None; []; [EarlyStopping('train_loss')]; [('mine', Callback())]; Callback; Callback() |
    [EarlyStopping()]; [('a', Callback()), ('a', Callback())]; [(3, Callback())]; ();
    [Checkpoint(f_params=None)] | 'x'; [1]; {}; 3; [None]; [print]; NAN; [()]
validation_fraction: None; 0.5; np.float32(0.4) | $numbers; 0.99; 0.01 | $never; 0; 1; -0.5; 2; INF
class_weight: None; 'balanced' | {}; {0: 1.0, 'up': 2}; {0: True}; {0: 1e300} | 'x'; 3; NAN; [1, 1];
    ''; ['balanced']; {(): 'a', 0: 1}
warm_start: False; True; np.True_ | | $never; None; 0; 1; 'True'
memory: None; memory; pathlib.Path(memory); joblib.Memory(memory, verbose=0) | ''; '/proc/nope';
    __file__; '\ud800'; 'a\0b'; joblib.Memory(None) | 3; {}; []; NAN; b'x'; True
memory_size: None; '1 MB'; 10**6; np.int64(2000); '1.5gb' | 1; '1' | $never; 0; -1; 'ten'; 1e6; NAN;
    []; True; '-1 MB'; '1 XB'; ''
n_jobs: None; 1; np.int8(1) | True; -1; -100; 10**6; Fraction(1); np.array(1) | $never; 0; 0.5;
    False
random_state: 0; 7; np.int64(3); 2**32 - 1; 2**32; 10**30; np.random.RandomState(0);
    np.random.default_rng(0) | None; True; 2.0; np.random; Fraction(1); np.array(1) | $never; -1;
    0.5; np.random.SeedSequence(0)
verbose: 0; False | | $never; None; 0.5
auxiliary: None; []; O.InputNoise(n_draws=1); O.PerturbedSoftTargets(); O.InputNoise(0);
    [O.PerturbedSoftTargets(), O.InputNoise(0.5, n_draws=2)] |
    O.ExplanationAutoencoder(n_questions=20, n_filters=2); O.GradientSaliency(); [None];
    O.TemporalReview(); [O.Label(), O.Label()]; O.Label(True); O.InputNoise(n_draws=1000);
    O.InputNoise(np.float32(1), np.float16(0.1), np.int8(1)); O.SoftTargets(Fraction(1, 2));
    (O.InputNoise(),); O.TemporalReview(0.1, interval=1); O.Label(1e30) | O.Label(-1); O.Label(NAN);
    O.Label('a'); O.Label(None); O.Label({}); O.Label(1e160); O.InputNoise(n_draws=0);
    O.InputNoise(scale=-1); O.InputNoise(scale=NAN); O.Label; [3]; O.SoftTargets(temperature=0);
    O.TemporalSaliency(measure='x'); O.TemporalSaliency(measure=[]);
    O.ExplanationAutoencoder(explanation={}); O.ExplanationAutoencoder(n_questions=0); 'x'; 3; {};
    O.ExplanationAutoencoder(n_filters=0.5); O.Objective(); O.TemporalReview(interval=0);
    O.TemporalReview(interval='x'); O.SoftTargets(1, 1e-30); O.SoftTargets(1, 1e30)
""")
AUXILIARY = SETTINGS.pop("auxiliary")
SAME_VALUES = Table("np.asfortranarray(a); read_only(a); a.tolist(); tuple(a); objects(a)")
# m: the fitted estimator; X, y, a as above; P = m.predict(X)
CALLS = Table(r"""
    m.score(X, P); explain(); explain(of='teacher'); explain(target=P); repr(m);
    explain(fill='mean', per_channel=True); explain(method='gradient');
    explain(method='integrated_gradients', fill='zero'); explain(target=m.classes_[0]); score();
    score(metric='kl'); score(metric='saliency'); score(metric='top_overlap');
    score(metric='deletion'); score(P, metric='ece'); score(metric='auprc', mask=mask(a));
    m.teacher_.predict_proba(X); m.teacher_.predict(X); str(report(P, n_explained=3));
    report(n_explained=2).to_frame(); together(m, X); pickle.dumps(m.student_);
    report(n_explained=2).to_html(memory + '/r.html', title='<b>'); m.set_params(lr=0.1);
    m.get_params(); O.Label().get_params(); fits_together(m, X, y, w); fork_in_fit(m, X, y) |
    explain(target={}); explain(target=[None]); explain(target=np.nan); explain(target=P[:, None]);
    explain(target=set()); explain(target=(1,)); explain(method='autoencoder');
    explain(of='teacher', method='gradient'); explain(per_channel=1); m.predict(X[:0]);
    score({}); score(metric='auroc', mask=1); m.set_params(teacher__x=1);
    score(metric='auprc', mask=mask(a).astype(str)); report(n_explained=2).to_html(memory +
    '/r2.html', title='\ud800'); report(n_explained=10**30); m.fidelity_report(X[:1],
    n_explained=1); m.fidelity_score(X[:1], metric='saliency'); its_own_teacher(m,
    'make_pipeline(m)', a, k) | m.predict(a[..., :-1]); m.predict(None); explain(method={});
    explain(method='x'); explain(of=[]); explain(fill={}); explain(fill='x'); m.set_params(nope=1);
    explain(per_channel='no'); explain(target='nope'); explain(target=P[:-1]); score(metric={});
    score(metric=None); m.set_params(**{'': 1}); score(metric='accuracy');
    score(metric='auprc', mask='x'); score(['nope'] * n, metric='nll'); report(n_explained=0);
    report(n_explained='x'); report(confidence=1); report(confidence={}); report(n_explained=1,
    confidence=1e-300); report(random_state='x'); report(label_only=3); report(label_only=clone(m));
    report(n_explained=1).to_html(3); report(n_explained=1).to_html(memory); m.predict_proba('x');
    m.predict(a * NAN); report(n_explained=1).to_html(memory + '/no/r.html');
    report(n_explained=1).to_html(memory + '/r.html', title=3); score(metric='auprc', mask={});
    its_own_teacher(m, 'm', a, k); score(metric='auprc', mask=mask(a)[..., :-1]);
    its_own_teacher(m, '[asks(k), m]', a, k); its_own_teacher(m, 'Teacher(m)', a, k);
    its_own_teacher(SaliencyDistilledClassifier(None), '[Teacher(m)]', a, k); Defer(m,
    max_disagreement='x').fit(X)
""")
DEFER = Table(r"""
    Defer(m, max_disagreement=0.5).fit(X); Defer(m, m.teacher_, 0.6, 0.9).fit(X); Defer(fit(a, k,
    LogisticRegression()), fit(a, k, KNN()), 0.5).fit(a) | Defer(Does('X[:] = 0').fit(a, k), fit(a,
    k, KNN()), 0.5).fit(a); Defer(Does('p * NAN').fit(a, k), fit(a, k, KNN()), 0.5).fit(a); Defer(m,
    max_disagreement=Fraction(1, 2)).fit(X); Defer(m, m, 0.5).fit(X); Defer(m, asks(k), 0.5).fit(X);
    Defer(m, max_disagreement=decimal.Decimal('0.5')).fit(X) | Defer(m, max_disagreement=0).fit(X);
    Defer(m, max_disagreement=NAN).fit(X); Defer(m, max_disagreement={}).fit(X); Defer(m,
    max_disagreement=1e-30).fit(X); Defer(m, confidence=None).fit(X); Defer(m, max_disagreement=0.5,
    confidence=1e-300).fit(X); Defer(clone(m), max_disagreement=0.5).fit(X); Defer(None,
    max_disagreement=0.5).fit(X); Defer(m, 3, 0.5).fit(X); Defer(Does('p[:-1]').fit(a, k),
    m.teacher_, 0.5).fit(a); Defer(Does('p[:, 0]').fit(a, k), fit(a, k, KNN()), 0.5).fit(a);
    Defer(m, max_disagreement=0.5).fit(None); Defer(m, KNN(), 0.5).fit(X)
""")
# What stands in brackets is drawn from POOLS; k: true class indices.
FUNCTIONS = split(r"""
    fidelity.agreement({logp}, {logp}); fidelity.predictive_kl({logp}, {logp});
    fidelity.per_series_js({logp}, {logp}); fidelity.accuracy({logp}, {truth});
    fidelity.negative_log_likelihood({logp}, {truth});
    fidelity.expected_calibration_error({logp}, {truth}, {count});
    fidelity.saliency_correlation({maps}, {maps}); fidelity.top_overlap({maps}, {maps}, {share});
    fidelity.auprc({maps}, {mask}); fidelity.per_series_auroc({maps}, {mask});
    fidelity.random_maps({shape}, {seed}); fidelity.clopper_pearson({count}, 200, {share});
    fidelity.bootstrap_interval(mean_of, {truth}, confidence={share}, n_resamples={count},
                                random_state={seed});
    fidelity.area({shares}, {maps}); fidelity.fidelity_scorer({metric});
    fidelity.by_class(fidelity.agreement, {groups}, {logp}, {logp});
    fidelity.deletion_curve(log_mean, a3, {maps}, {truth}, a3 * 0, n_points={count});
    datasets.make_freq_shapes({count}, noise={noise}, random_state={seed});
    datasets.make_seq_comb({count}, noise={noise}, random_state={seed});
    datasets.make_low_var({count}, random_state={seed});
    datasets.make_middle_box({count}, height={noise}, random_state={seed});
    datasets.make_rare_time({count}, height={noise}, random_state={seed});
    datasets.load_ucr({name}, {split}, {folder}); S.Lite({count}).build({count}, {count}, {count});
    S.FCN({count}).build({count}, 30, 2); S.ResNet(2, {count}).build({count}, 30, 2);
    S.GRU({count}, bidirectional={flag}).build(1, {count}, {count});
    S.Inception(2, {count}).build(1, {count}, {count})
""")
POOLS = tables(r"""
logp: log_proba(k); log_proba(k).astype('f4'); log_proba(k).tolist(); torch.tensor(log_proba(k));
    read_only(log_proba(k)) | log_proba(k) - 1e300; log_proba(k).astype('f2'); frame(log_proba(k));
    log_proba(k).astype(object); torch.tensor(log_proba(k)).requires_grad_(); masked(log_proba(k)) |
    $arrays
truth: k; k.tolist(); k.astype('i1') | k * 1.0; k > 0; k.astype(object); torch.tensor(k) | k + 5; -k
    - 1; k * NAN; k[:-1]; k[:, None]; k.astype(str); None; {}; k + 0.5; 1
groups: k; k.tolist(); k.astype(str) | k * NAN; k > 0 | k[:-1]; k[:, None]; None; {}; 1
maps: a2; a2.astype('f4'); a2.tolist(); read_only(a2) | a2 * 0; a2 * 1e300; a2 * 1e-320;
    torch.tensor(a2).requires_grad_(); a2.astype(object); masked(a2); a2[:, :1]; a2[:1] | $arrays
mask: a2 > 0; (a2 > 0).tolist() | (a2 > 0) * 1.0; (a2 > 0).astype(int); a2 > 99; a2 > -99; masked(a2
    > 0) | $arrays; (a2 > 0) * 2; (a2 > 0).astype(str)
share: 0.5; 0.9; np.float32(0.5) | $numbers | $never; None; 0; -1; 2; INF; 1e-30
shares: np.linspace(0, 1, a2.shape[1]) | np.zeros(a2.shape[1]) | $arrays; 0.5; NAN
count: 5; 8; np.int8(8) | $numbers; 1; 2 | $never; None; 0; -1; 0.5
seed: 0; None; 2**32; 10**30; np.random.RandomState(0); np.random.default_rng(0) | $numbers;
    np.random | 'x'; -1; {}; NAN; 0.5; [1]; object
noise: 0.5; 1 | $numbers; 0 | 'x'; -1; {}; NAN; INF; None; []; 1j; 1e31
name: 'GunPoint'; 'BasicMotions' | | $text; None
split: 'train'; 'test' | 'all' | $text; None
folder: None; memory | pathlib.Path('x'); '' | {}; 3; '\ud800'; 'a\0b'; []; b'x'
metric: 'kl'; 'agreement' | | $never; None; 3
shape: (3, 4) | [3, 4]; 3; (0, 4); () | 'x'; None; (-1, 2); {}; (1.5, 2); NAN
flag: True; False | 1; np.True_ | 'x'; None; {}
""")
# What changes between two fits with warm_start, and the sign of the teacher afterwards; 0: refused
CHANGES = {
    "m.set_params(teacher=Teacher(f, [1, 0]))": -1,
    "m.set_params(teacher=Teacher(Signed(-1), [0, 1]))": -1,
    "f.weight.data *= -1": -1,
    "f.plain[0] = -1": -1,
    "X *= -1": 1,
    "y[:] = 1 - y; m.set_params(label_weight=1, soft_target_weight=0)": -1,
    "m.set_params(student=S.Lite(n_filters=3))": 0,
    "m.set_params(lr=0.02, window_size=0.2)": 1,
    "pass": 1,
}


def softmax(z):
    return z.softmax(-1)


def two_outputs(z):
    return z, z.sum()


def make_flat(c, t, k):
    return Flat(c * t, k)


@contextlib.contextmanager
def default_float64():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


ENVIRONMENTS = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "float64": default_float64,
    "errstate": lambda: np.errstate(all="raise"),
    "threads": lambda: joblib.parallel_config("threading", n_jobs=2),
}


class Flat(nn.Module):
    """A linear network, which takes series in any layout."""

    def __init__(self, n_values, n_classes, answer=None):
        super().__init__()
        self.linear, self.dropout = nn.Linear(n_values, n_classes), nn.Dropout(0.5)
        self.answer, self.plain = answer, {"a": 1}  # as users' networks have them

    def forward(self, x):
        z = self.linear(self.dropout(x.flatten(1)))
        return z if self.answer is None else self.answer(z)


class Signed(nn.Module):
    """Logits by the mean of each series, times a weight and a plain attribute."""

    def __init__(self, sign=1.0):
        super().__init__()
        self.weight, self.plain = nn.Parameter(torch.tensor([[-9.0, 9.0]])), [sign]

    def forward(self, x):
        return x.flatten(1).mean(1, keepdim=True) * self.weight * self.plain[0]

    def proba(self, X):
        with torch.no_grad():
            return softmax(self(torch.tensor(X).float())).numpy()


class Does(ClassifierMixin, BaseEstimator):
    """A classifier that runs a line of Python when it is asked, or in ``fit``."""

    def __init__(self, line, when="predict_proba"):
        self.line, self.when = line, when

    def _run(self, when, p, **names):
        if when != self.when or self.line == "nothing":
            return p
        if " = " in self.line or "fill" in self.line:
            exec(self.line, NAMES | names)
            return p
        return eval(self.line, NAMES | names | {"p": p})

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self._run("fit", None, X=X, y=y, w=sample_weight)
        return self

    def predict_proba(self, X):
        return self._run("predict_proba", mean_proba(X, len(self.classes_)), X=X)


def mean_proba(X, n_classes, lock=None):
    """Probabilities by the mean of each series."""
    with lock or contextlib.nullcontext():
        p = 1 / (1 + np.exp(-np.clip(flat(X).mean(1), -9, 9)))
    return np.column_stack([p] + [(1 - p) / (n_classes - 1)] * (n_classes - 1))


def flat(X):
    return np.asarray(X).reshape(len(X), -1)


def chain(*steps):
    return make_pipeline(FunctionTransformer(flat), *steps)


def net(c, t, k, answer=None, criterion=nn.CrossEntropyLoss, **settings):
    settings = {"max_epochs": 2, "verbose": 0} | settings
    return NeuralNetClassifier(Flat(c * t, k, answer), criterion=criterion, **settings)


def fitted_net(a, y):
    made = net(1, a[0].size, len(np.unique(y)), train_split=None)
    return made.fit(a.astype("f4"), np.unique(y, return_inverse=True)[1])


def with_first(a, value):
    """Series with a constant first channel, or all constant if there is one."""
    a = a.copy()
    (a[:, 0] if a.ndim == 3 else a)[...] = value
    return a


def read_only(a):
    a = np.array(a)
    a.flags.writeable = False
    return a


def memmap(a):
    if a.dtype == object:
        return a
    mapped = np.memmap(os.path.join(tempfile.mkdtemp(), "a"), a.dtype, "w+", shape=a.shape)
    mapped[...] = a
    return mapped


def tensor(a):
    try:
        return torch.from_numpy(np.ascontiguousarray(a))
    except (TypeError, ValueError):  # torch lacks the dtype
        return torch.tensor(a.astype("f8"))


def objects(a):
    rows = np.empty(len(a), dtype=object)
    rows[:] = list(a)
    return rows


def panel(a, mtype):
    known = a.ndim == 3 and a.dtype.kind in "if" and a.size
    a = np.asarray(a, a.dtype.newbyteorder("=")) if known else a
    return sktime.datatypes.convert_to(a, mtype, as_scitype="Panel") if known else a


def same_fit(m):
    """An estimator whose fits are equal, with the teacher of another."""
    return clone(m).set_params(random_state=0, n_jobs=1, memory=None, warm_start=False)


def together(m, X):
    """Predict in two threads; the answers have to be equal."""
    with joblib.parallel_config("threading", n_jobs=2):
        ask = (joblib.delayed(f)(X) for f in (m.predict_proba, m.explain, m.predict_proba))
        first, _, second = joblib.Parallel()(ask)
    return first - second


def fits_together(m, X, y, w):
    """Fit in two threads; the answers have to be equal."""
    with joblib.parallel_config("threading", n_jobs=2):
        fits = [joblib.delayed(same_fit(m).fit)(X, y, sample_weight=w) for _ in range(2)]
        first, second, _ = joblib.Parallel()([*fits, joblib.delayed(m.predict)(X)])
    return first.predict_proba(X) - second.predict_proba(X)


def fork_in_fit(m, X, y):
    """Fork while another thread fits; the child has to predict and to fit.

    Seldom it hangs, if the thread was just drawing from torch's generator: torch keeps its lock.
    """
    thread = threading.Thread(target=same_fit(m).fit, args=(X, y))
    thread.start()
    time.sleep(0.01)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            m.predict(X)
            same_fit(m).fit(X, y)
            os._exit(0)
        os._exit(1)
    for _ in range(3000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        time.sleep(0.01)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
    thread.join()
    if not ended or status:
        raise ChildProcessError(f"the child {'failed' if ended else 'hangs'}")


def its_own_teacher(m, form, a, k):
    m = copy.copy(m)
    return m.set_params(teacher=eval(form, NAMES | {"m": m, "k": k})).fit(a, k)


# What the expressions use: all of this file, and these.
NAMES = {
    **globals(),
    **{thing.__name__: thing for thing in (SVC, Callback, Checkpoint, EarlyStopping)},
    **{thing.__name__: thing for thing in (DummyClassifier, LinearRegression, StandardScaler)},
    **{thing.__name__: thing for thing in (LogisticRegression, RidgeClassifier, decimal, pathlib)},
    **{thing.__name__: thing for thing in (RandomForestClassifier, pickle)},
    "Defer": DeferringClassifier,
    "SaliencyDistilledClassifier": SaliencyDistilledClassifier,
    "Teacher": Teacher,
    "datasets": datasets,
    "fidelity": fidelity,
    "O": objectives,
    "S": students,
    "NAN": float("nan"),
    "INF": float("inf"),
    "LABELS": np.array(["down", "up", "wait"]),
    "KNN": lambda: KNeighborsClassifier(3, algorithm="brute"),
    "fit": lambda a, y, *steps: chain(*steps).fit(a, y),
    "asks": lambda y: functools.partial(mean_proba, n_classes=len(np.unique(y))),
    "locked": lambda y: functools.partial(NAMES["asks"](y), lock=threading.Lock()),
    "set_of": np.unique,
    "indices": lambda y: np.unique(y, return_inverse=True)[1],
    "flat_net": lambda a, y, answer=None: Flat(a[0].size, len(np.unique(y)), answer),
    "not_a_number": lambda z: z * float("nan"),
    "mean_of": lambda rows, axis=-1: np.mean(rows, axis),
    "log_mean": lambda X: np.log(mean_proba(X, 3)),
    "log_proba": lambda k: np.log((np.eye(3)[k] + 0.2) / 1.6),
    "spoiled": lambda a, value: np.where(np.arange(a.size).reshape(a.shape) == 5, value, a),
    "masked": lambda a: np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) % 7 == 3),
    "frame": lambda a, names=None: pd.DataFrame(a, columns=names) if a.ndim == 2 else a,
    "mask": lambda a: np.broadcast_to(np.arange(a.shape[-1]) < 4, (len(a), a.shape[-1])),
    "fractions": np.vectorize(Fraction, otypes=[object]),
}
