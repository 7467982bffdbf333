"""How large and how fast are students in files, in ONNX and in C, and how faithful with 8 bits?

    OMP_NUM_THREADS=1 python benchmarks/deployment.py run --data-dir DIR --csv deployment.csv
    python benchmarks/deployment.py tables --csv docs/deployment.csv

Every student is distilled from both kinds of teacher on three UCR sets, and then measured twice:
with weights of float32, and rounded to 8 bits. Latencies are medians for one series on one
thread, in turns within one process. The C file is compiled by ``cc -O3 -march=native`` for its
latency, and by ``arm-none-eabi-gcc -mcpu=cortex-m4 -Os``, or else ``cc -Os``, for its size.
"""

import argparse
import ctypes
import functools
import pathlib
import shutil
import subprocess
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import torch
from heavy import read_ucr
from strong import TEACHERS

from tsdistill import SaliencyDistilledClassifier, fidelity
from tsdistill.students import STUDENTS
from tsdistill.teachers.teacher import as_teacher

SETS = ["ArrowHead", "CBF", "GunPoint"]
KINDS = ["inception", "minirocket"]
MOST_SERIES = 200
ROUNDS, CALLS_A_ROUND = 8, 15
KEY = ["teacher", "set", "student", "bits"]
CROSS = shutil.which("arm-none-eabi-gcc")
FOR_SIZE = (
    [CROSS, "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"]
    if CROSS
    else ["cc"]
)


def latencies(calls):
    """Median microseconds of each call, by name, in turns of some calls each.

    Call by call in turns, each would find the caches full of the others' data.
    """
    seconds = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            for _ in range(CALLS_A_ROUND):
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    return {name: 1e6 * float(np.median(taken)) for name, taken in seconds.items()}


def in_c(classifier, folder):
    """The function of the compiled C file, the bytes of its code and constants, and its memory."""
    source, library, target = folder / "student.c", folder / "student.so", folder / "student.o"
    classifier.to_c(source)
    subprocess.run(
        ["cc", "-std=c99", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source,
         "-lm"], check=True,
    )  # fmt: skip
    subprocess.run([*FOR_SIZE, "-std=c99", "-Os", "-c", "-o", target, source], check=True)
    sizer = CROSS.replace("gcc", "size") if CROSS else "size"
    shown = subprocess.run([sizer, target], check=True, capture_output=True, text=True).stdout
    text, data, bss = map(int, shown.splitlines()[1].split()[:3])
    return ctypes.CDLL(library).tsdistill_predict, text + data, bss


def session(path):
    """An onnxruntime session with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measured(classifier, float_log_proba, X, folder):
    """Sizes, latencies and fidelity of a classifier."""
    path = folder / "student.tsdistill"
    classifier.save(path)
    start = time.perf_counter()
    SaliencyDistilledClassifier.load(path)
    load_ms = 1e3 * (time.perf_counter() - start)
    classifier.to_onnx(folder / "student.onnx")
    classifier.to_onnx(folder / "explained.onnx", explain=True)
    plain, explained = session(folder / "student.onnx"), session(folder / "explained.onnx")
    predict, flash, ram = in_c(classifier, folder)
    one = np.ascontiguousarray(X[:1], dtype=np.float32)
    proba = np.zeros(len(classifier.classes_), dtype=np.float32)
    pointer = ctypes.POINTER(ctypes.c_float)
    arguments = one.ctypes.data_as(pointer), proba.ctypes.data_as(pointer)
    module, tensor = classifier.student_.module_, torch.from_numpy(one)

    def bare():
        with torch.no_grad():
            module(tensor)

    given = {"series": one, "target": np.array([-1])}
    taken = latencies({
        "us predict_proba": lambda: classifier.predict_proba(one),
        "us module": bare,
        "us onnx": lambda: plain.run(["proba"], {"series": one}),
        "us onnx with map": lambda: explained.run(None, given),
        "us C": lambda: predict(*arguments),
    })  # fmt: skip
    log_proba = classifier.predict_log_proba(X)
    scores = {
        f"{metric} to teacher": classifier.fidelity_score(X, metric=metric)
        for metric in ("agreement", "kl", "saliency")
    }
    return (
        taken
        | scores
        | {
            "file": path.stat().st_size,
            "ms load": load_ms,
            "onnx": (folder / "student.onnx").stat().st_size,
            "flash": flash,
            "ram": ram,
            "multiplications": classifier.student_costs()["multiplications"],
            "KL to float": fidelity.predictive_kl(float_log_proba, log_proba),
            "agreement with float": fidelity.agreement(float_log_proba, log_proba),
        }
    )


def run(options):
    """Measure what the CSV file does not hold yet."""
    warnings.filterwarnings("ignore")
    done = set()
    if options.csv.exists():
        done = set(pd.read_csv(options.csv)[KEY[:3]].itertuples(index=False, name=None))
    for name in options.sets:
        X, y, X_test, _ = read_ucr(options.data_dir, name)
        chosen = np.random.default_rng(0).permutation(len(X_test))[:MOST_SERIES]
        X_test = X_test[chosen]
        for kind in options.teachers:
            students = [one for one in options.students if (kind, name, one) not in done]
            if not students:
                continue
            classes, class_index = np.unique(y, return_inverse=True)
            teacher = TEACHERS[kind](X, class_index, 0, classes)
            torch.set_num_threads(1)  # fitting a Rocket changes it
            bound = as_teacher(teacher).bind(X_test, classes)
            one = X_test[:1].astype(np.float32)
            of_teacher = latencies({"us teacher": functools.partial(bound.log_proba, one)})
            for student in students:
                classifier = SaliencyDistilledClassifier(teacher, student, random_state=0)
                classifier.fit(X, y)
                log_proba = classifier.predict_log_proba(X_test)
                rows = []
                for bits in (32, 8):
                    measured_one = classifier if bits == 32 else classifier.quantised(bits)
                    with tempfile.TemporaryDirectory() as folder:
                        row = measured(measured_one, log_proba, X_test, pathlib.Path(folder))
                    key = dict(zip(KEY, (kind, name, student, bits), strict=True))
                    rows.append(key | of_teacher | row)
                table = pd.DataFrame(rows)
                table.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
                print(table.round(4).to_string(index=False), flush=True)


def tables(options):
    """Print sizes, latencies and what 8 bits cost."""
    runs = pd.read_csv(options.csv)
    order = [one for one in STUDENTS if one in set(runs["student"])]
    sizes = ["file", "onnx", "flash", "ram", "multiplications", "ms load"]
    print("== bytes of the files, code and constants, and memory; means over sets and teachers ==")
    print(runs.groupby(["student", "bits"])[sizes].mean().round(1).loc[order].to_string(), "\n")
    times = ["us predict_proba", "us module", "us onnx", "us onnx with map", "us C"]
    print("== microseconds for one series, one thread; means over sets ==")
    print(runs.groupby(["student", "bits"])[times].mean().round(1).loc[order].to_string(), "\n")
    teachers = runs.groupby("teacher")["us teacher"].mean()
    print("teachers: " + ", ".join(f"{k} {v:.0f}" for k, v in teachers.items()), "\n")
    faithful = ["KL to float", "agreement with float", "agreement to teacher", "kl to teacher",
                "saliency to teacher"]  # fmt: skip
    print("== fidelity ==")
    wide = runs.groupby(["teacher", "student", "bits"])[faithful].mean().round(5)
    print(wide.to_string(), "\n")
    lite = runs[runs["student"] == "lite"].set_index(["teacher", "set", "bits"])
    print("== lite, by set ==")
    print(lite[faithful].sort_index().round(5).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--data-dir", required=True)
    running.add_argument("--csv", required=True, type=pathlib.Path)
    running.add_argument("--sets", nargs="+", default=SETS)
    running.add_argument("--teachers", nargs="+", default=KINDS)
    running.add_argument("--students", nargs="+", default=list(STUDENTS))
    printing = commands.add_parser("tables")
    printing.add_argument("--csv", required=True, type=pathlib.Path)
    options = parser.parse_args()
    {"run": run, "tables": tables}[options.command](options)


if __name__ == "__main__":
    main()
