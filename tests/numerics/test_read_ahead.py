import threading

import pytest

from tsdistill.numerics.read_ahead import read_ahead


def test_one_result_is_read_ahead_in_another_thread():
    read, threads, second = [], set(), threading.Event()

    def slow(key):
        threads.add(threading.get_ident())
        read.append(key)
        if key == 1:
            second.set()
        return key

    results = read_ahead(slow, range(5))
    assert next(results) == 0
    assert second.wait(10)  # though nobody asked for it yet
    assert next(results) == 1
    results.close()
    assert read in ([0, 1], [0, 1, 2])
    assert threading.get_ident() not in threads and len(threads) == 1
    assert list(read_ahead(slow, [])) == []


def test_an_error_comes_in_its_turn_and_the_thread_ends():
    def read(key):
        return 1 / (2 - key)

    n_threads = threading.active_count()
    results = read_ahead(read, range(4))
    assert [next(results), next(results)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threading.active_count() == n_threads
