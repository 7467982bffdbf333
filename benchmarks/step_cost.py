"""What does a step with the saliency term cost, compared with KD, a bare loop and TSD as published?

    python benchmarks/step_cost.py --data-dir DIR --threads 1

Arms alternate within a round, and ratios are medians over rounds. "Fit" is the complete call,
queries to the teacher included; "training" is the training loop alone. With --data-dir, the series
are GunPoint and FordA; without it, random series of the same shapes.
"""

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F
from heavy import read_ucr

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.estimators import settings as estimator_settings
from tsdistill.perturbation.plan import draw_plan
from tsdistill.students import Inception, Lite
from tsdistill.teachers.querying import query, query_windows
from tsdistill.training import loop

BATCH = 32


def shapes(data_dir):
    """Yield GunPoint and 500 series of FordA, or noise of the same shapes."""
    if data_dir:
        X, y, _, _ = read_ucr(data_dir, "GunPoint")
        yield "GunPoint 50 x 1 x 150", X, y, 100
        X, y, _, _ = read_ucr(data_dir, "FordA")
        yield "FordA-size 500 x 1 x 500", X[:500], y[:500], 4
        return
    rng = np.random.default_rng(0)
    for title, n, n_timepoints, epochs in (("GunPoint", 50, 150, 100), ("FordA", 500, 500, 4)):
        X = rng.standard_normal((n, 1, n_timepoints)).astype(np.float32)
        yield f"{title}-size {n} x 1 x {n_timepoints}", X, np.arange(n) % 2, epochs


def fit(X, y, teacher, epochs, **settings):
    """Seconds of a complete fit, and of its training loop alone."""
    student = SaliencyDistilledClassifier(
        teacher, max_epochs=epochs, batch_size=BATCH, random_state=0, **settings
    )
    start = time.perf_counter()
    student.fit(X, y)
    return time.perf_counter() - start, sum(row["dur"] for row in student.history_)


def bare_loop(X, y, teacher, epochs, temperature=4.0):
    """Seconds of KD in plain torch, with the same student, optimiser, schedule and clipping."""
    start = time.perf_counter()
    panel, labels = torch.from_numpy(X), torch.from_numpy(np.unique(y, return_inverse=True)[1])
    with torch.no_grad():
        answers = torch.cat([teacher(part) for part in panel.split(256)])
    student = Lite().build(1, X.shape[-1], 2)
    optimiser = torch.optim.AdamW(student.parameters(), lr=0.01, weight_decay=1e-4)
    n_steps = -(-len(X) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, n_steps * epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).tensor_split(n_steps):
            z = student(panel[rows])
            loss = 0.1 * F.cross_entropy(z, labels[rows]) + temperature**2 * F.kl_div(
                F.log_softmax(z / temperature, 1),
                F.log_softmax(answers[rows] / temperature, 1),
                log_target=True,
                reduction="batchmean",
            )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            loss.item()
    return time.perf_counter() - start


def published_step(X, y, teacher, n_steps=2, n_windows=50, tau=8.0):
    """Seconds of a step of the published procedure, which queries the teacher in every step."""
    width = max(1, round(0.1 * X.shape[-1]))
    student = Lite().build(1, X.shape[-1], 2)
    optimiser = torch.optim.Adam(student.parameters(), lr=0.005, weight_decay=1e-5)
    panel, class_indices = torch.from_numpy(X), np.unique(y, return_inverse=True)[1]
    rng = np.random.default_rng(0)

    def saliency(network, series, copies):
        log_p = F.log_softmax(network(series[None]) / tau, dim=1)[0]
        changes = []
        for copy in copies:
            log_q = F.log_softmax(network(copy[None]) / tau, dim=1)[0]
            changes.append(tau**2 * log_p.exp() * (log_p - log_q))
        return torch.stack(changes)

    student.eval()  # a single series has no batch statistics
    seconds = []
    for _ in range(n_steps):
        rows = rng.permutation(len(X))[:BATCH]
        start = time.perf_counter()
        student_saliency, teacher_saliency = [], []
        for i in rows:
            others = rng.permutation(np.flatnonzero(class_indices != class_indices[i]))[:n_windows]
            copies = []
            for m in range(n_windows):
                a = rng.integers(X.shape[-1] - width + 1)
                copy = panel[i].clone()
                copy[:, a : a + width] = panel[others[m % len(others)], :, a : a + width]
                copies.append(copy)
            student_saliency.append(saliency(student, panel[i], copies))
            with torch.no_grad():
                teacher_saliency.append(saliency(teacher, panel[i], copies))
        student_saliency = torch.stack(student_saliency)
        teacher_saliency = torch.stack(teacher_saliency)
        loss = F.cross_entropy(student(panel[rows]), torch.from_numpy(class_indices[rows]))
        loss = loss + F.smooth_l1_loss(
            student_saliency / (student_saliency[student_saliency > 0].mean() + 1e-8),
            teacher_saliency / (teacher_saliency[teacher_saliency > 0].mean() + 1e-8),
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def step_costs(data_dir, rounds):
    """Print the cost ratios for both shapes."""
    for title, X, y, epochs in shapes(data_dir):
        torch.manual_seed(0)
        small = Inception(n_filters=4, n_blocks=1).build(1, X.shape[-1], 2).eval()
        large = Inception(n_filters=32).build(1, X.shape[-1], 2).eval()
        classes = np.unique(y)
        n_steps = epochs * -(-len(X) // BATCH)
        times = {"default": [], "KD": [], "bare": []}
        for _ in range(rounds + 1):
            times["default"].append(fit(X, y, Teacher(small, classes), epochs))
            times["KD"].append(fit(X, y, Teacher(small, classes), epochs, saliency_weight=0))
            times["bare"].append((bare_loop(X, y, small, epochs),) * 2)
        times = {arm: np.array(values[1:]) for arm, values in times.items()}
        for which, (part, bar) in enumerate((("fit", 2.0), ("training", 1.5))):
            ratio = np.median(times["default"][:, which] / times["KD"][:, which])
            print(f"{title}: default / KD, {part}, {n_steps} steps: {ratio:.2f} (bar {bar})")
        ratio = np.median(times["KD"][:, 0] / times["bare"][:, 0])
        print(f"{title}: KD fit / bare torch loop: {ratio:.2f} (bar 1.25)")
        ours = np.median(times["default"][:, 1]) / n_steps
        published = published_step(X, y, large)
        print(
            f"{title}: published procedure {1e3 * published:.0f} ms a step, "
            f"ours {1e3 * ours:.1f} ms: {published / ours:.0f} x (bar 50)\n"
        )


def probing(rounds):
    """Print the throughput of window queries to a torch teacher."""
    rng = np.random.default_rng(0)
    n, n_windows = 256, 16
    panel = rng.standard_normal((n, 1, 128)).astype(np.float32)
    network = Inception(n_filters=32).build(1, 128, 2).eval()
    plan = draw_plan(
        panel, np.arange(n) % 2, width=13, n_windows=n_windows, donors="opposing", rng=rng
    )
    teacher = Teacher(network).bind(panel)
    ready = torch.from_numpy(np.repeat(panel, n_windows, axis=0))
    ratios = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        with torch.no_grad():
            for part in ready.split(256):
                network(part)
        raw = time.perf_counter() - start
        start = time.perf_counter()
        query_windows(teacher, panel, plan)
        ratios.append(raw / (time.perf_counter() - start))
    print(f"probing / raw forward pass, throughput: {np.median(ratios[1:]):.3f} (bar 0.9)")


def probing_memory(n_instances=20_000):
    """Print the peak memory of window queries, without X and the answers.

    20,000 series of 128 timesteps have 32 windows each. All 640,000 queries go to a small network,
    which takes a minute. The Inception teacher, whose activations are the larger part of the peak,
    is then queried about the first 4,096 series.
    """
    rng = np.random.default_rng(0)
    panel = rng.standard_normal((n_instances, 1, 128)).astype(np.float32)
    small = Teacher(Lite().build(1, 128, 2).eval()).bind(panel)
    large = Teacher(Inception(n_filters=32).build(1, 128, 2).eval()).bind(panel)
    before = peak_memory()
    plan = draw_plan(
        panel, np.arange(n_instances) % 2, width=13, n_windows=32, donors="opposing", rng=rng
    )
    answers = query_windows(small, panel, plan)
    query(large, panel[:4096])
    extra = peak_memory() - before - answers.nbytes / 2**20
    print(
        f"probing {n_instances:,} x 32 windows: peak {extra:.0f} MB beyond X and the answers (bar "
        "300)\n"
    )


def peak_memory():
    """Peak resident memory of this process so far, in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def import_time(rounds):
    """Print the ratio of our import time to that of torch, skorch and scikit-learn."""
    import subprocess
    import sys

    def seconds(code):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    pairs = [
        (seconds("import tsdistill"), seconds("import torch, skorch, sklearn"))
        for _ in range(rounds + 1)
    ][1:]
    ratio = np.median([ours / theirs for ours, theirs in pairs])
    print(f"import tsdistill / import torch, skorch, sklearn: {ratio:.2f} (bar 1.2)")


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", help="folder of the UCR sets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    loop.SHORT = estimator_settings.SHORT = 0  # steps as in a training of full length
    probing_memory()  # first, while the process is small
    import_time(options.rounds)
    probing(options.rounds)
    step_costs(options.data_dir, options.rounds)


if __name__ == "__main__":
    main()
