"""A random trial: do the public names keep their rules, whatever they are given?

Draws cases at random, runs them, and prints how many broke which rule; then each way of breaking
one, with the seeds of its cases and what the first of them was given.

    python benchmarks/random_trial.py --cases 3000 --seed 0 --jobs 2
    python benchmarks/random_trial.py --only 17       # this case again, with tracebacks

A value is good (it has to work), doubtful (it may work, or be refused with a clear error) or bad
(it has to be refused). Half of the cases have good values only. The rules:

refused    good values were refused
accepted   a bad value was not refused
kind       an exception is neither ours nor a ValueError, TypeError or NotFittedError
leaked     an exception comes from neither tsdistill nor scikit-learn's validation
unnamed    an error names none of the odd arguments
answer     an answer is not finite, a distribution, repeatable, or the teacher's where it has to be
changed    an argument, the teacher, a global state or a folder is not as it was
warning    a warning is not ours, not scikit-learn's about a teacher that it fits, or ours about a
           teacher that is good
output     something was printed
hang       a call took more than a minute
trial      the trial itself failed
"""

import argparse
import contextlib
import copy
import functools
import multiprocessing.connection
import os
import pathlib
import pickle
import random
import re
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict, namedtuple

import joblib
import numpy as np
import pandas as pd
import random_trial_values as given
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import HardTeacherWarning, TeacherMismatchWarning, TsdistillError
from tsdistill.sktime import SaliencyDistilledTSC

MOST_SECONDS = 60
OWN_FILES = __file__, given.NAMES["__file__"]
Finding = namedtuple("Finding", "rule step what")
OWNERS = r"/tsdistill/|/sktime/|random_trial"
# By which words, other than its name, an error may call an odd argument.
OBJECTIVES = r"[Oo]bjective|[A-Z]\w+\.\w+|saliency|Temporal\w+|Gradient\w+|Explanation\w+"
WORDS = {
    "auxiliary": rf"auxiliary|{OBJECTIVES}",
    "student": r"student|callbacks|device|[A-Z]\w+\.\w+",
    "X": "X|series",
    "y": "y|labels?|class(?:es)?",
    "teacher": "teacher|n_jobs",
    "saliency": OBJECTIVES,
}
SLOTS = (*given.SERIES, *given.ARGUMENTS, "teacher", "student", "setting", "auxiliary", "call")


def content(thing):
    """What may not change about an object, comparable with ``==``."""
    if isinstance(thing, torch.Tensor):
        values = None if thing.is_meta else str(thing.tolist())
        return str(thing.dtype), values, thing.requires_grad, thing.grad is None
    if isinstance(thing, np.ma.MaskedArray):
        return content(thing.data), content(np.ma.getmaskarray(thing))
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        return thing.dtype, thing.shape, thing.strides, thing.flags.writeable, thing.tobytes()
    if isinstance(thing, pd.DataFrame | pd.Series):
        return content(thing.to_numpy(object)), content(thing.axes)
    if isinstance(thing, np.ndarray | list | tuple):
        return type(thing), [content(item) for item in list(thing)]
    if isinstance(thing, dict):
        return {key: content(value) for key, value in thing.items()}
    if isinstance(thing, nn.Module):
        modes = [part.training for part in thing.modules()]
        plain = [sorted(vars(part)) for part in thing.modules()]
        return content(thing.state_dict()), content(list(thing.parameters())), modes, plain
    if isinstance(thing, type) or (callable(thing) and not hasattr(thing, "fit")):
        return repr(thing)
    if isinstance(thing, BaseEstimator | Teacher) and not isinstance(thing, NeuralNetClassifier):
        return content(vars(thing))
    try:
        return joblib.hash(thing)
    except Exception:
        return sorted(getattr(thing, "__dict__", ()))


def global_states(folder):
    """Everything global that the library has to leave as it was, by name."""
    return {
        "random of Python": random.getstate(),
        "random of NumPy": content(np.random.mtrand.get_state()),
        "random of torch": content(torch.get_rng_state()),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "errstate": np.geterr(),
        "filters": list(warnings.filters),
        "working folder": os.getcwd(),
        "temporary files": sorted(os.listdir(folder)),
    }


class Hang(BaseException):
    """A call took too long; not an Exception, which the library may catch."""

    @classmethod
    def begin(cls, *_):
        raise cls


class Case:
    """One random case: draws its arguments, runs it, and notes which rules it broke."""

    def __init__(self, seed, folder, verbose=False):
        self.rng, self.verbose, self.folder = random.Random(seed), verbose, folder
        n_odd = self.rng.choices([0, 1, 2, 3, 5], [50, 33, 8, 6, 3])[0]
        self.odd = set(self.rng.sample(SLOTS, n_odd))
        self.bad, self.words, self.drawn, self.findings = set(), set(), [], []
        self.good_teacher, self.names = False, {"memory": os.path.join(folder, "memory")}
        os.mkdir(self.names["memory"])
        self.environment = (
            self.rng.choice(list(given.ENVIRONMENTS)) if self.rng.random() < 0.3 else None
        )

    def draw(self, slot, table, words=None, odd=None):
        """Evaluate an expression of a table, and note what it is."""
        grade = "good"
        if (slot in self.odd) if odd is None else odd:
            grade = self.rng.choice([g for g in ("doubtful", "bad") if getattr(table, g)])
            self.words |= {words or WORDS.get(slot, slot)}
            self.bad |= {slot} if grade == "bad" else set()
        text = self.rng.choice(getattr(table, grade))
        self.drawn.append(f"{slot}: {text}" + f" ({grade})" * (grade != "good"))
        return text

    def value(self, *drawn, **options):
        return self.evaluate(self.draw(*drawn, **options))

    def evaluate(self, text, names=None):
        return eval(text, given.NAMES | (self.names if names is None else names))

    def note(self, rule, step, what):
        self.findings.append(Finding(rule, step, " ".join(str(what).split())))

    def attempt(self, step, call, watched=None, words=None, bad=False):
        """Run a call, check what it left behind; return whether it succeeded, and its result."""
        words = self.words if words is None else words
        before = {name: content(thing) for name, thing in (watched or {}).items()}
        result = error = None
        environment = given.ENVIRONMENTS.get(self.environment, contextlib.nullcontext)
        with printed_text() as printed, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            states = global_states(self.folder)
            signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
            try:
                with environment():
                    result = call()
            except BaseException as raised:  # SystemExit and KeyboardInterrupt among them
                error = raised
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            states_after = global_states(self.folder)
        if error is not None:
            self._judge(step, error, words)
        elif bad:
            self.note("accepted", step, "; ".join(d for d in self.drawn if "(bad)" in d))
        if printed and not re.search(r"verbose|print\(", str(self.drawn)):
            self.note("output", step, printed[0][-300:])
        for one in warned:
            self._judge_warning(step, one)
        for name, thing in (watched or {}).items():
            if content(thing) != before[name]:
                self.note("changed", step, name)
        if ".build(" in step:
            states.pop("random of torch")  # initial weights are drawn from it, as torch does
        for name, now in states_after.items():
            if now != states.get(name, now):
                self.note("changed", step, f"{name}: {str(states[name])[:80]} -> {str(now)[:80]}")
        return error is None, result

    def _judge(self, step, error, words):
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}"
        text = f"{type(error).__name__}: {str(error)[:220]} [{where}]"
        ours = isinstance(error, TsdistillError)
        if self.verbose:
            traceback.print_exception(error, file=sys.__stdout__)
        if isinstance(error, Hang):
            self.note("hang", step, where)
        elif not (ours or isinstance(error, (ValueError, TypeError, NotFittedError))):
            self.note("kind", step, text)
        elif "/sktime/" in [f.filename for f in frames if re.search(OWNERS, f.filename)][-1]:
            return  # its own validation, before ours
        elif not words:
            self.note("refused", step, text)
        elif not (ours or re.search(r"/tsdistill/|sklearn/(utils|base)", frames[-1].filename)):
            self.note("leaked", step, text)
        elif not any(re.search(rf"\b(?:{word})\b", str(error)) for word in words):
            self.note("unnamed", step, f"{text} odd: {sorted(words)}")

    def _judge_warning(self, step, one):
        ours = one.category.__module__.startswith("tsdistill")
        good = self.good_teacher and not self.odd and step == "fit"
        undeserved = good and issubclass(one.category, (HardTeacherWarning, TeacherMismatchWarning))
        known = one.category is DataConversionWarning or one.filename in OWN_FILES
        of_teacher = re.search(r"/sklearn/(?!utils|base)", one.filename)
        if undeserved or not (ours or known or of_teacher):
            where = f"{one.category.__name__} at {pathlib.Path(one.filename).name}:{one.lineno}"
            self.note("warning", step, f"{where}: {str(one.message)[:150]}")

    def run(self):
        kinds = [self._run_function, self._run_warm_start, self._run_estimator]
        self.rng.choices(kinds, [4, 1, 15])[0]()
        self.drawn.append(f"in {self.environment}")

    def _run_function(self):
        """Call one function with drawn arguments."""
        self.odd = set()
        self._draw_series()
        self.names |= {"a2": self.names["base"][:, 0], "a3": self.names["base"]}
        self.words, self.bad = set(), set()
        text = self.rng.choice(given.FUNCTIONS)
        kinds = re.findall(r"{(\w+)}", text)
        odd = self.rng.randrange(len(kinds)) if self.rng.random() < 0.5 else None
        for i, kind in enumerate(kinds):
            drawn = self.draw(kind, given.POOLS[kind], "[A-Za-z_]+=?", odd=i == odd)
            text = text.replace(f"{{{kind}}}", f"({drawn})", 1)
        self.drawn = [text, *(d for d in self.drawn if "(bad)" in d)]
        step = re.sub(r"\(.*?\)(?=\.)|\([^.]*$", "()", text)
        _, found = self.attempt(step, lambda: self.evaluate(text), bad=bool(self.bad))
        if not self.words and "per_series" not in step:
            self._check_numbers(text, found)

    def _check_numbers(self, step, found, most=np.inf):
        numeric = isinstance(found, float) or getattr(found, "dtype", np.dtype(object)).kind == "f"
        if numeric and not np.all(np.abs(found) < most):
            self.note("answer", step, f"gives {str(found)[:80]}")

    def _draw_series(self):
        """Draw X, as the base values, after each step from values to container."""
        rng = self.rng
        n, c, t = rng.randint(8, 40), rng.choice([1, 1, 2, 3]), rng.randint(12, 40)
        numpy_rng = np.random.default_rng(rng.randrange(2**32))
        k = numpy_rng.permutation(np.arange(n) % rng.choice([2, 2, 3]))
        means = np.where(np.arange(t) < 4, 5, 0) * k[:, None, None]
        base = numpy_rng.normal(size=(n, c, t)) * 3 + means
        a = base[:, 0] if c == 1 and rng.random() < 0.5 else base
        self.names |= {"base": base, "k": k, "n": n, "c": c, "t": t, "a": a, "base_a": a}
        plain = True
        for slot, table in given.SERIES.items():
            if slot == "dtype" and not plain:
                continue
            if slot == "container" and isinstance(self.names["a"], list):
                break
            self.names["array"] = self.names["a"]
            text = self.draw(slot, table, WORDS["X"])
            self.names["a"] = self.evaluate(text)
            plain = plain and (slot != "values" or text == "a")
        X = self.names["X"] = self.names["a"]
        if getattr(X, "dtype", None) is torch.bfloat16:
            self.names["array"] = X.float().numpy()  # rounded

    def _run_warm_start(self):
        """Fit twice, with one thing changed between; the student has to follow the teacher."""
        self.odd, numpy_rng = set(), np.random.default_rng(self.rng.randrange(2**32))
        shape = self.rng.randint(16, 30), self.rng.randint(12, 20)
        y = numpy_rng.permutation(np.arange(shape[0]) % 2)
        X = (y * 2 - 1)[:, None] + numpy_rng.normal(size=shape) * 0.3
        X = X.astype(self.rng.choice(["f4", "f8"]))
        f, text = given.Signed(), self.rng.choice(["f", "f.proba", "[f, f]"])
        settings = {"saliency_weight": self.rng.choice([0, 0.1]), "label_weight": 0, "lr": 0.1}
        settings |= {
            "n_windows": 2,
            "n_mixtures": 2,
            "batch_size": 8,
            "max_epochs": 30,
            "random_state": 0,
        }
        teacher = Teacher(eval(text, {"f": f}), [0, 1])
        m = SaliencyDistilledClassifier(teacher, given.make_flat, warm_start=True, **settings)
        change = self.rng.choice(list(given.CHANGES))
        self.drawn += [f"Teacher({text}, [0, 1])", change, str(settings)]
        for step, sign in (("fit", 1), ("warm fit", given.CHANGES[change])):
            if step == "warm fit":
                exec(change, given.NAMES | {"m": m, "f": f, "X": X, "y": y})
            self.words = set() if sign else {"student"}
            watched = {"X": X, "y": y, "teacher": m.teacher}
            ok, _ = self.attempt(step, lambda: m.fit(X, y), watched, bad=not sign)
            share = np.mean(m.predict(X) == (X.mean(1) * sign > 0)) if ok and sign else 1
            if share < 0.9:
                self.note("answer", step, f"the student follows for {share} of the series")

    def _run_estimator(self):
        self._draw_series()
        names, processes = self.names, self.rng.random() < 0.01
        names["y"] = self.value("y", given.ARGUMENTS["y"])
        names["w"] = self.value("sample_weight", given.ARGUMENTS["sample_weight"])
        X, k = names["X"], names["k"]
        labels = names["y"] if "y" not in self.odd and names["y"] is not None else k
        labels = np.asarray(labels.tolist() if hasattr(labels, "tolist") else labels)
        make = {"a": names["base_a"], "y": labels, "k": k, "n": names["n"]}
        array = None if "values" in self.odd else names["array"]
        if getattr(array, "shape", ()) == make["a"].shape and array.dtype.kind in "fiu":
            make["a"] = array.astype(float)
        torch.manual_seed(self.rng.randrange(2**31))
        text = self.draw("teacher", given.UNPICKLABLE if processes else given.TEACHERS)
        teacher = self.evaluate(text, make)
        self.good_teacher = text.endswith(given.WELL_FITTED) and "values: a" in self.drawn
        shape = {"c": names["c"], "t": names["t"], "k": len(np.unique(labels))}
        student = self.evaluate(self.draw("student", given.STUDENTS), shape)
        settings = self._draw_settings()
        if processes:
            self.environment, self.bad = None, self.bad - {"n_jobs", "n_windows"}
            settings |= {"n_jobs": 2, "n_windows": 40}
        watched = settings | {"X": X, "y": names["y"], "sample_weight": names["w"]}
        watched |= {"teacher": teacher, "student": student, "random_state": None}  # it goes on
        if self.rng.random() < 0.03:
            settings.pop("warm_start", None)
            self.bad -= {"sample_weight", "warm_start", "call"}  # it takes neither
            fit = functools.partial(SaliencyDistilledTSC(teacher, student, **settings).fit, X)
            self.attempt("fit", lambda: fit(names["y"]), watched, bad=bool(self.bad))
            return
        m = SaliencyDistilledClassifier(teacher, student, **settings)
        fit = functools.partial(m.fit, X, names["y"], sample_weight=names["w"])
        ok, _ = self.attempt("fit", fit, watched, bad=bool(self.bad - {"call"}))
        if ok and self._check_answers(m, X, watched):
            self._call(m, watched)

    def _draw_settings(self):
        table, n_more = given.SETTINGS, self.rng.choice([0, 1, 3])
        odd = [self.rng.choice(list(table))] if "setting" in self.odd else []
        chosen = ["max_epochs", "n_windows", "random_state", *self.rng.sample(list(table), n_more)]
        chosen = dict.fromkeys([*chosen, *odd])
        settings = {name: self.value(name, table[name], odd=name in odd) for name in chosen}
        if self.rng.random() < 0.2 or "auxiliary" in self.odd:
            settings["auxiliary"] = self.value("auxiliary", given.AUXILIARY)
        if self.environment == "threads" and "n_jobs" not in settings:
            settings["n_jobs"] = self.rng.choice([2, -1, None])
        return settings

    def _check_answers(self, m, X, watched):
        """Check that answers fit each other, copies and other formats; return whether they do."""
        ok, p = self.attempt("predict_proba", lambda: m.predict_proba(X), watched, words=set())
        if ok and not (np.isfinite(p).all() and np.abs(p.sum(1) - 1).max() < 1e-4 and p.min() >= 0):
            self.note("answer", "predict_proba", f"rows {p[:2].tolist()}")
            ok = False
        if not ok:
            return False
        if "NLLLoss" not in str(self.drawn):
            series = torch.tensor(np.array(self.names["array"], dtype="f4"))
            with torch.no_grad():
                z = m.student_.module_.eval()(series.reshape(len(p), m.n_channels_in_, -1))
            z = z[0] if isinstance(z, tuple) else z
            self._compare("module", p, [given.softmax(z).numpy()])
        ask = [m.predict_proba, lambda X: np.exp(m.predict_log_proba(X).clip(-80))]
        ask.append(lambda X: copy.deepcopy(m).predict_proba(X))
        with contextlib.suppress(Exception):  # some teachers cannot be pickled
            pickled = pickle.dumps(m)
            ask.append(lambda X: pickle.loads(pickled).predict_proba(X))
        ok, others = self.attempt("copies", lambda: [f(X) for f in ask], words=set())
        self._compare("copies", p, others if ok else [])
        ok, predicted = self.attempt("predict", lambda: m.predict(X), watched, words=set())
        if ok and (predicted != m.classes_[p.argmax(1)]).any():
            self.note("answer", "predict", f"{predicted[:5]} for {p[:5].tolist()}")
        self._check_repeats(m, X, p)
        return True

    def _check_repeats(self, m, X, p):
        array = self.names["array"]
        plain = isinstance(array, np.ndarray) and not hasattr(X, "columns")
        if plain and "container" not in self.odd:
            self.names["a"] = array
            X_same = self.value("same values", given.SAME_VALUES, odd=False)
            ok, q = self.attempt("other format", lambda: m.predict_proba(X_same), {"X": X_same})
            self._compare(f"other format than {type(X).__name__}", p, [q] * ok)
        if type(m.random_state) is int and not m.warm_start and self.rng.random() < 0.4:
            again, y, w = clone(m).set_params(n_jobs=None, memory=None), *map(self.names.get, "yw")
            ok, _ = self.attempt("fit again", lambda: again.fit(X, y, sample_weight=w))
            self._compare("same seed", p, [again.predict_proba(X)] if ok else [])

    def _compare(self, what, p, others):
        if not all(np.allclose(p, q, atol=1e-4) for q in others):
            self.note("answer", what, f"differs by {[float(np.abs(p - q).max()) for q in others]}")

    def _call(self, m, watched):
        """Run methods of a fitted estimator, and a second fit, which may fail."""
        X = self.names["X"]
        self.names |= {"m": m, "P": m.predict(X), "a": self.names["array"]}
        methods = {"explain": m.explain, "score": m.fidelity_score, "report": m.fidelity_report}
        self.names |= {name: functools.partial(ask, X) for name, ask in methods.items()}
        for table in self.rng.choices([given.CALLS, given.DEFER], [9, 1], k=3):
            self.bad = set()
            text = self.draw("call", table)
            words = {"X", "y", "series", "path", *re.findall(r"(\w+)=", text), *self.words}
            words |= set() if "=" in text else {"teacher", "student"}
            call, words = functools.partial(self.evaluate, text), words if self.odd else set()
            _, found = self.attempt(text, call, watched, words, bool(self.bad))
            self._check_numbers(text, found, 1e-5 if "together" in text else np.inf)
        self._fail_again(m)

    def _fail_again(self, m):
        """A second fit that fails leaves the estimator as it was."""
        before, teacher = (
            vars(m).copy(),
            given.Does("1 / 0").fit(self.names["base"], self.names["k"]),
        )
        bad = {"lr": -1, "teacher": teacher, "student": "x", "X": None, "y": None}
        odd = self.rng.choice(list(bad))
        m.set_params(**{odd: bad[odd]} if bad[odd] else {})
        X = self.names["base_a"] if odd != "X" else None
        y = copy.copy(self.names["y"]) if odd != "y" else [1]
        ok, _ = self.attempt("second fit", lambda: m.fit(X, y), words={odd, "X"})
        both = before | vars(m)
        changed = {name for name in both if before.get(name) is not vars(m).get(name)} - {odd}
        if not ok and changed:
            self.note("changed", "second fit", f"failed by {odd}, changed {sorted(changed)}")


@contextlib.contextmanager
def printed_text():
    """Collect what a block prints, also from C; the list holds one text, or none."""
    texts, kept = [], [os.dup(1), os.dup(2)]
    with tempfile.TemporaryFile(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as file:
        sys.stdout.flush()
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield texts
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in enumerate(kept, start=1):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            texts += filter(None, [file.read().decode(errors="replace")])


def run_case(seed, verbose=False):
    """Run a case in folders of its own; return its seconds, what was drawn, and its findings."""
    signal.signal(signal.SIGALRM, Hang.begin)
    torch.set_num_threads(1)
    start, here = time.perf_counter(), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        tempfile.tempdir = folder
        case = Case(seed, folder, verbose)
        try:
            case.run()
        except Exception:
            case.note("trial", "", traceback.format_exc(limit=-1))
        finally:
            tempfile.tempdir = None
            os.chdir(here)
    return time.perf_counter() - start, case.drawn, case.findings


def warm_up():
    """Start what a process starts once, so that no case is blamed for it."""
    warnings.simplefilter("ignore")
    X, y = np.random.default_rng(0).normal(size=(12, 20)), np.arange(12) % 2
    m = SaliencyDistilledClassifier(given.NAMES["asks"](y), "lite", max_epochs=1).fit(X, y)
    m.fidelity_report(X, y, n_explained=2)._repr_html_()
    given.together(m, X)
    given.panel(X[:, None], "nested_univ")


def work(seeds, connection):
    warm_up()
    for seed in seeds:
        connection.send((seed, *run_case(seed)))


def run_all(seeds, jobs):
    """Run cases in processes; one that is silent for too long or dies is ended and replaced."""
    parts = [list(seeds)[i::jobs] for i in range(jobs)]
    workers = {}
    while any(parts) or workers:
        for i, part in enumerate(parts):
            if i not in workers and part:
                ours, theirs = multiprocessing.Pipe(duplex=False)
                process = multiprocessing.Process(target=work, args=(part, theirs))
                process.start()
                theirs.close()
                workers[i] = process, ours, time.perf_counter()
        multiprocessing.connection.wait([ours for _, ours, _ in workers.values()], timeout=1)
        for i, (process, ours, since) in list(workers.items()):
            try:
                if ours.poll():
                    yield ours.recv()
                    parts[i].pop(0)
                    workers[i] = process, ours, time.perf_counter()
                    continue
            except EOFError:
                process.join()
            silent = time.perf_counter() - since > MOST_SECONDS * 1.5
            if silent or not process.is_alive():
                process.kill()
                process.join()
                del workers[i]
                if parts[i]:
                    how = "ended by force" if silent else f"died with {process.exitcode}"
                    yield parts[i].pop(0), MOST_SECONDS, [], [Finding("hang", "", how)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the first case")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", type=int, help="run the case of this seed, with tracebacks")
    options = parser.parse_args()
    if options.only is not None:
        warm_up()
        _, drawn, findings = run_case(options.only, verbose=True)
        return print("\n".join([*drawn, "", *map(str, findings)]))
    seconds, rules, found = [], Counter(), defaultdict(list)
    seeds = range(options.seed, options.seed + options.cases)
    for seed, spent, drawn, findings in run_all(seeds, options.jobs):
        seconds.append(spent)
        rules.update({finding.rule for finding in findings} or {"no finding"})
        for finding in findings:
            kind = re.sub(r"\d[\d.e+-]*", "#", finding.what)[:110]  # whatever the values
            found[finding.rule, finding.step, kind].append((seed, finding, drawn))
    print(f"{options.cases} cases, median {np.median(seconds):.2f} s, longest {max(seconds):.1f} s")
    for rule, number in rules.most_common():
        print(f"{rule:12}{number:>6}")
    for (rule, step, _), cases in sorted(found.items(), key=lambda item: item[0]):
        cases.sort(key=lambda one: one[0])
        _, finding, drawn = cases[0]
        print(f"\n{rule} | {step} | {finding.what}")
        print(f"  {len(cases)} times; seeds {[seed for seed, _, _ in cases[:6]]}")
        shown = [d for d in drawn if not re.fullmatch(r"\w+: a|\w+: None|in None", d)]
        print("  first: " + " | ".join(shown))


if __name__ == "__main__":
    main()
