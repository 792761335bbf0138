"""A memory whose promoted model also reads words."""

import threading

import numpy as np
import pytest
from conftest import HashEmbedder

import ragtune

SUBJECTS = [f"{a}{b}" for a in ("red", "old", "wet", "raw") for b in ("fox", "oak", "sea", "jam")]


class Blurred(HashEmbedder):
    """Vectors that tell half of a text's words: the rest is for the lexical leg."""

    def _word(self, word):
        return super()._word(word) * (0.15 if word.startswith("n") else 1.0)


def text(i):
    return f"{SUBJECTS[i % 16]} note about n{i} and n{i + 1000} kept in {SUBJECTS[(i // 16) % 16]}"


def question(i, form=0):
    return (f"what of n{i} {SUBJECTS[i % 16]}", f"n{i + 1000} note {SUBJECTS[i % 16]}")[form]


@pytest.fixture
def memory(tmp_path, open_memory):
    with open_memory(tmp_path / "m", embedder=Blurred()) as opened:
        opened.add([text(i) for i in range(240)], ids=[str(i) for i in range(240)])
        yield opened


@pytest.fixture
def tuned(memory):
    pairs = [ragtune.Pair(question(i, form), str(i)) for i in range(0, 240, 2) for form in (0, 1)]
    run = memory.tune(pairs)
    assert run.promoted, run.report
    assert run.report.verdict.decision in ("promote", "hold")
    return memory


def found(memory, asked, **how):
    return [hit.id for hit in memory.search(asked, k=3, **how)]


def test_served_model_reads_words(tuned):
    odd = range(1, 240, 2)
    plain = sum(found(tuned, question(i))[:1] == [str(i)] for i in odd)
    served = sum(found(tuned, question(i), deep_memory=True)[:1] == [str(i)] for i in odd)
    assert served > plain


def test_scores_are_probabilities_in_falling_order(tuned):
    scores = [hit.score for hit in tuned.search(question(5), k=10, deep_memory=True)]
    assert scores == sorted(scores, reverse=True)
    assert 0 <= scores[-1] <= scores[0] <= 1


def test_words_of_new_changed_and_deleted_chunks_are_known_at_once(tuned):
    assert "new" not in found(tuned, "what of n7777", deep_memory=True)
    tuned.add(["redfox note about n7777"], ids=["new"])
    assert found(tuned, "what of n7777 redfox", deep_memory=True)[0] == "new"
    tuned.add(["oldoak note about n8888"], ids=["new"])
    assert found(tuned, "what of n8888 oldoak", deep_memory=True)[0] == "new"
    tuned.delete(["new"])
    assert "new" not in found(tuned, "what of n8888 oldoak", deep_memory=True)


def test_words_are_read_anew_after_a_purge(tuned):
    found(tuned, question(3), deep_memory=True)
    tuned.delete([str(i) for i in range(0, 40)])
    tuned.purge()
    assert found(tuned, question(101), deep_memory=True)[0] == "101"
    assert not set(found(tuned, question(3), deep_memory=True)) & {str(i) for i in range(40)}


def test_reopened_memory_answers_the_same(tuned, open_memory):
    before = [found(tuned, question(i), deep_memory=True) for i in range(1, 40, 2)]
    with open_memory(tuned.path, embedder=Blurred()) as again:
        assert [found(again, question(i), deep_memory=True) for i in range(1, 40, 2)] == before


def test_stored_questions_follow_their_chunks_when_rows_have_holes(memory):
    memory.delete([str(i) for i in range(100, 160)])  # living rows are no longer positions
    pairs = [
        ragtune.Pair(question(i, form), str(i))
        for i in [*range(0, 100, 2), *range(160, 240, 2)]
        for form in (0, 1)
    ]
    run = memory.tune(pairs)
    serving = memory.registry.serving(32, memory.store.counters())
    if serving.full is not None and serving.full.questions is not None:
        rows = {row for row, *_ in memory.store.chunks.living()}
        assert set(serving.full.questions.rows.tolist()) <= rows
    assert run.report.overall.queries


def test_search_by_vector_alone_uses_no_words(tuned):
    vector = tuned.space.query(question(5))
    hits = tuned.search(embedding=vector[0], k=3, deep_memory=True)
    assert len(hits) == 3


def test_evaluation_measures_what_search_serves(tuned):
    odd = list(range(1, 240, 2))
    report = tuned.evaluate([question(i) for i in odd], [{str(i): 1.0} for i in odd])
    served = np.mean([found(tuned, question(i), deep_memory=True)[:1] == [str(i)] for i in odd])
    assert report.overall["recall@1"].after == pytest.approx(served)


def test_model_file_of_a_memory_holds_no_corpus(tuned):
    [path] = (tuned.path / "models").glob("*.ragtune")
    assert not {"corpus", "words.rows"} & set(ragtune._core.read_artifact(str(path)))


def test_threads_search_while_another_writes(tuned):
    failures = []

    def reader():
        try:
            for i in range(1, 60, 2):
                hits = tuned.search(question(i), k=3, deep_memory=True)
                assert len(hits) == 3
                assert all(hit.text for hit in hits)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=reader) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(20):
        tuned.add([text(1000 + i)], ids=[f"x{i}"])
        tuned.delete([f"x{i - 5}"])
    for thread in threads:
        thread.join()
    assert not failures
