"""What a walk over the graph finds, against exact search."""

from functools import cache

import numpy as np
import oracle
import pytest
from conftest import clustered

import ragtune
from ragtune import _core

N, NQ, K = 4000, 200, 10
METRICS = "cosine", "ip", "l2"


def built(x, metric="l2", batch=N, num_threads=1, **options):
    index = ragtune.Index(x.shape[1], metric, "hnsw", **options)
    for i in range(0, len(x), batch):
        index.add(x[i : i + batch], num_threads=num_threads)
    return index


def recall(index, x, q, metric="l2", store="f32", **parameters):
    ids = index.search(q, K, num_threads=1, **parameters)[1]
    return oracle.recall(ids, oracle.nearest(x, q, K, metric, store)[1])


@cache
def common():
    """One index that tests search and do not change."""
    x, q = clustered(N, 32, 400)
    return built(x), x, q


def of_varying_length(d):
    x, q = clustered(N, d, NQ, seed=d)
    lengths = np.random.default_rng(d).lognormal(sigma=0.5, size=(N, 1))
    return (x * lengths).astype(np.float32), q


@pytest.mark.parametrize("d", [32, 96])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("store", ["f32", "bf16"])
def test_finds_nearly_all_without_tuning(d, metric, store):
    x, q = clustered(N, d, NQ, seed=d)
    assert recall(built(x, metric, store=store), x, q, metric, store) >= 0.95


@pytest.mark.parametrize("d", [32, 96])
def test_finds_nearly_all_of_varying_length_by_inner_product(d):
    x, q = of_varying_length(d)
    assert recall(built(x, "ip"), x, q, "ip") >= 0.95


def unstructured(n, d, nq):
    """Every direction alike: no neighbour tells of another."""
    vectors = np.random.default_rng(d).normal(size=(n + nq, d)).astype(np.float32)
    return vectors[:n], vectors[n:]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("draw", [clustered, unstructured])
def test_recall_is_at_least_what_was_asked_for(draw, metric):
    """Questions drawn between neighbours promised 0.9 and found 0.81 of unstructured ones."""
    x, q = draw(N, 32, 400)
    index = built(x, metric)
    index.calibrate(num_threads=1)
    measured = [recall(index, x, q, metric, recall=asked) for asked in (0.9, 0.95, 0.99)]
    assert measured[0] >= 0.895
    assert measured[1] >= 0.945
    assert measured[2] >= 0.985
    assert measured[0] < measured[2]


def test_calibration_does_not_change_what_a_search_finds():
    x, q = clustered(N, 32, 50)
    index = built(x)
    before = index.search(q, K, ef_search=32, num_threads=1)
    index.calibrate(num_threads=1)
    for one, other in zip(before, index.search(q, K, ef_search=32, num_threads=1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (index.search(x[:100], 1, ef_search=64, num_threads=1)[1][:, 0] == range(100)).all()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_vectors_can_be_calibrated(n):
    x, _ = clustered(2000, 32, 1)
    index = built(x[:n])
    index.calibrate()
    assert sorted(index.search(x[0], n)[1].ravel()) == list(range(n))


def test_recall_that_was_calibrated_on_other_queries_holds_for_them():
    x, _ = clustered(N, 32, 1)
    index = built(x)
    asked = np.random.default_rng(0).normal(size=(400, 32)).astype(np.float32)
    points = index.calibrate(asked[:200], num_threads=1)
    assert list(points) == sorted(points)
    assert list(points.values()) == sorted(points.values())
    assert abs(recall(index, x, asked[200:], recall=0.95) - 0.95) <= 0.04


def test_calibration_without_a_query_is_refused():
    """It measured 0 / 0, and a file with that in it could not be loaded."""
    index = built(clustered(2000, 32, 1)[0])
    before = dict(index._core.calibration)
    with pytest.raises(ValueError, match="queries: expected"):
        index.calibrate(np.zeros((0, 32)))
    assert dict(index._core.calibration) == before


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_calibration_of_little_is_no_error(kind):
    index = ragtune.Index(4, kind=kind)
    assert index.calibrate() == {}
    index.add(np.eye(4))
    index.calibrate()
    assert index.search(np.eye(4), 1, recall=0.9)[1].ravel().tolist() == [0, 1, 2, 3]


def test_recall_of_one_is_exact():
    index, x, q = common()
    scores, ids = index.search(q, K, recall=1)
    expected, rows = oracle.nearest(x, q, K, "l2")
    np.testing.assert_array_equal(ids, rows)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_a_broader_search_finds_more():
    index, x, q = common()
    found = [recall(index, x, q, ef_search=ef) for ef in (10, 20, 40, 80, 160)]
    assert found == sorted(found)
    assert found[0] < 0.95  # a walk, not a scan
    assert found[-1] >= 0.995


@pytest.mark.parametrize("k", [1, 3, 10, 50, 200])
def test_scores_are_those_of_the_vectors_and_fall(k):
    index, x, q = common()
    scores, ids = index.search(q[:50], k, ef_search=60)
    expected = -((q[:50, None].astype(float) - x[ids]) ** 2).sum(axis=2)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert all(len(set(row)) == k for row in ids.tolist())


@pytest.mark.parametrize("k", [1, 50, 200])
def test_recall_holds_for_other_numbers_of_results(k):
    index, x, q = common()
    rows = oracle.nearest(x, q, k, "l2")[1]
    assert oracle.recall(index.search(q, k)[1], rows) >= 0.95


def test_a_batch_is_searched_like_its_queries_one_by_one():
    index, _, q = common()
    scores, ids = index.search(q[:70], K, num_threads=2)
    for i in range(70):
        one = index.search(q[i], K)
        np.testing.assert_array_equal(one[1][0], ids[i])
        np.testing.assert_array_equal(one[0][0], scores[i])


@pytest.mark.parametrize("batch", [N, 333])
def test_a_seed_builds_the_same_file_at_any_number_of_threads(tmp_path, batch):
    x, q = clustered(2000, 24, 50, seed=3)
    files, results = [], []
    for num_threads in (1, 2):
        index = built(x, batch=batch, num_threads=num_threads, seed=5)
        index.save(tmp_path / "index")
        files.append((tmp_path / "index").read_bytes())
        results.append(index.search(q, K, ef_search=20, num_threads=num_threads)[1].tolist())
    assert files[0] == files[1]
    assert results[0] == results[1]


def test_another_seed_builds_another_graph(tmp_path):
    x, _ = clustered(2000, 24, 1, seed=3)
    layers = []
    for seed in (5, 6):
        built(x, seed=seed).save(tmp_path / "index")
        layers.append(_core.read_artifact(str(tmp_path / "index"))["rows1"].ravel().tolist())
    assert layers[0] != layers[1]


@pytest.mark.parametrize("batch", [1, 7])
def test_small_batches_build_as_good_a_graph(batch):
    x, q = clustered(N, 32, NQ, seed=4)
    assert recall(built(x, batch=batch), x, q) >= 0.95


def test_documents_added_one_after_another_build_as_good_a_graph():
    """All vectors of a cluster come together, as chunks of a document do."""
    x, q = clustered(N, 32, NQ, seed=5, sort=True)
    index = built(x, batch=100)
    assert recall(index, x, q) >= 0.95
    assert recall(index, x, q, ef_search=80) >= 0.98


def test_copies_of_one_vector_do_not_hide_the_others():
    x, q = clustered(N, 32, NQ, seed=6)
    x[500:1500] = x[0]
    index = built(x)
    far = ((q - x[0]) ** 2).sum(axis=1) > np.median(((q - x[0]) ** 2).sum(axis=1)) / 2
    scores = oracle.nearest(x, q[far], K, "l2")[0]
    found = index.search(q[far], K)[0]
    assert (found >= scores[:, -1:] * (1 + 1e-6)).mean() >= 0.95
    assert recall(index, x, q[far]) >= 0.95
    copies = index.search(x[0], 500)[0]
    assert (copies == 0).mean() >= 0.95


def test_only_copies_are_found_as_many_as_asked_for():
    index = built(np.ones((N, 16), dtype=np.float32))
    scores, ids = index.search(np.ones(16), 300, ef_search=20)
    assert len(set(ids[0].tolist()) - {-1}) == 300
    assert (scores == 0).all()


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("spread", [0.01, 0.1, 1])
def test_near_duplicates_are_told_apart(metric, spread):
    """Sixty vectors so near to each other that 8-bit codes of the corpus see one."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(N, 32)).astype(np.float32)
    near = rng.permutation(N)[:60]
    x[near] = x[near[0]] + spread * rng.normal(size=(60, 32))
    q = (x[near[:30]] + spread * rng.normal(size=(30, 32))).astype(np.float32)
    assert recall(built(x, metric), x, q, metric, ef_search=150) >= 0.95


@pytest.mark.parametrize("metric", METRICS)
def test_a_new_topic_far_from_all_others_is_found(metric):
    """It comes last and in one piece, as a document does that is like no other."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2100, 32)).astype(np.float32)
    x[:2000, 0] += 15
    x[2000:, 1] += 15
    index = built(x, metric, batch=2000)
    q = (x[2000:2050] + 0.3 * rng.normal(size=(50, 32))).astype(np.float32)
    assert recall(index, x, q, metric, ef_search=120) >= 0.95
