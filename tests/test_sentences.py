import numpy as np
import oracle
import pytest
from conftest import HashEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune.sentences import MOST, sentences_of
from ragtune.store.sentences import packed, unpacked
from ragtune.types import Pair


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "One two three four. Five six seven eight!",
            ["One two three four.", "Five six seven eight!"],
        ),
        (
            "A heading of four words\nand a line below it",
            ["A heading of four words", "and a line below it"],
        ),
        (
            "He said 'one two three.' Then he left the room.",
            ["He said 'one two three.", "Then he left the room."],
        ),
        (
            "Version 3.11 is what we all use. It came out in 2022.",
            ["Version 3.11 is what we all use.", "It came out in 2022."],
        ),
        (
            "これは長い文です。もう一つの長い文があります。",
            ["これは長い文です。", "もう一つの長い文があります。"],
        ),
        ("Only one sentence stands here.", []),
        ("Too short. One two three four.", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, expected):
    assert sentences_of(text) == expected


@given(count=st.integers(2, 60))
@settings(deadline=None)
def test_many_sentences_are_joined_and_none_is_lost(count):
    text = " ".join(f"a b c number{i}." for i in range(count))
    found = sentences_of(text)
    assert len(found) == min(count, MOST)
    assert " ".join(found) == text
    sizes = [part.count(".") for part in found]
    assert max(sizes) - min(sizes) <= 1


@given(p=st.integers(0, 5), d=st.integers(1, 50), seed=st.integers(0, 20))
@settings(deadline=None)
def test_packed_vectors_come_back_nearly_as_they_were(p, d, seed):
    vectors = oracle.unit(np.random.default_rng(seed).normal(size=(p, d))).astype(np.float32)
    blob = packed(vectors)
    assert len(blob) == p * (d + 4)
    np.testing.assert_allclose(unpacked(blob, d), vectors, atol=0.5 / 127 + 1e-6)
    if p:
        with pytest.raises(ValueError, match="sentences: expected"):
            unpacked(blob + b"x", d)


def test_zero_vectors_can_be_packed():
    assert not unpacked(packed(np.zeros((2, 3), np.float32)), 3).any()


class Anagrams(HashEmbedder):
    """Knows words by their letters in any order: what a lexical leg can't see."""

    def _word(self, word):
        return super()._word("".join(sorted(word.strip(".,?"))))


def chunks(count):
    """Six sentences of words of their own; the second is asked for, in other spellings."""
    return [
        f"in{i}a in{i}b in{i}c in{i}d. key{i} topic{i} asked{i} about{i}. "
        + " ".join(f"x{i}{s} y{i}{s} z{i}{s} w{i}{s}." for s in "klmn")
        for i in range(count)
    ]


def question(i):
    return f"{i}yek {i}cipot {i}deksa {i}tuoba"


@pytest.fixture
def learned(tmp_path, open_memory):
    """A memory of 150 chunks, and what was learned from a question to each."""
    with open_memory(tmp_path / "m", embedder=Anagrams(24)) as memory:
        memory.add(chunks(150), ids=[f"c{i}" for i in range(150)])
        yield memory, memory.tune([Pair(question(i), f"c{i}") for i in range(150)])


def rows_with_parts(memory):
    found, _ = memory.store.sentences.since(0, 24)
    return {int(row) for row in found.rows}


def test_tuning_learns_with_sentences_and_searches_use_them(learned):
    memory, run = learned
    assert run.promoted
    assert {"part", "words"} <= set(run.report.hyperparameters["weights"])
    assert len(rows_with_parts(memory)) == 150
    state = memory._index.fresh(24)
    _, sources = memory._retrieval.serving(state, 24)
    assert len(sources.parts) == 6 * 150
    right = [
        sum(memory.search(question(i), k=1, deep_memory=deep)[0].id == f"c{i}" for i in range(150))
        for deep in (False, True)
    ]
    assert right[1] > 1.5 * right[0]


def test_sentences_are_embedded_once_and_those_of_new_texts_when_a_model_looks_at_them(learned):
    memory, run = learned
    assert run.promoted
    before = memory.space.embedder().calls
    memory.tune()
    assert memory.space.embedder().calls == before
    memory.add(["wholly new words here. another few words there."], ids=["new"])
    memory.add(["other words stand in it. and a last few words."], ids=["c3"])
    new, changed = memory.store.chunks.rows_and_sources(["new", "c3"]).values()
    assert {new[0], changed[0]} <= rows_with_parts(memory)
    found, _ = memory.store.sentences.since(0, 24)
    assert (found.rows == changed[0]).sum() == 2


def test_searches_follow_what_changes(learned, open_memory):
    memory, run = learned
    assert run.promoted
    other = open_memory(memory.path, embedder=Anagrams(24))
    other.search(question(3), k=1, deep_memory=True)
    memory.add(["red apples grow on trees. key3 topic3 asked3 about3."], ids=["late"])
    memory.delete(["c3"])
    assert other.search(question(3), k=1, deep_memory=True)[0].id == "late"
    memory.purge()
    assert other.search(question(3), k=1, deep_memory=True)[0].id == "late"
    assert len(rows_with_parts(memory)) == 150
    other.close()


def test_without_an_embedder_and_when_told_not_to_there_are_none(tmp_path, open_memory):
    given_vectors = open_memory(tmp_path / "given", owner="given")
    vectors = Anagrams(24).embed_documents(chunks(30))
    given_vectors.add(chunks(30), embeddings=vectors)
    assert not given_vectors.space.can_embed
    given_vectors.close()
    memory = open_memory(tmp_path / "told", embedder=Anagrams(24))
    memory.add(chunks(30), ids=[f"c{i}" for i in range(30)])
    run = memory.tune([Pair(question(i), f"c{i}") for i in range(30)], sentences=False)
    assert "part" not in run.report.hyperparameters["weights"]
    assert not rows_with_parts(memory)
    memory.close()


def test_an_interrupted_embedding_goes_on_where_it_was(tmp_path, monkeypatch, open_memory):
    monkeypatch.setattr("ragtune.space.BATCH", 30)
    memory = open_memory(tmp_path / "m", embedder=Anagrams(24))
    memory.add(chunks(50), ids=[f"c{i}" for i in range(50)])

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.space.make_sentences(stop)
    made = len(rows_with_parts(memory))
    assert 0 < made < 50
    before = memory.space.embedder().calls
    memory.space.make_sentences(None)
    assert memory.space.embedder().calls - before == 6 * (50 - made)
    memory.close()


def test_a_memory_explains_its_hits_by_their_names_and_the_pairs_that_moved_them(learned):
    memory, run = learned
    assert run.promoted
    told = memory.explain(question(7), k=3)
    found = memory.search(question(7), k=3, deep_memory=True)
    assert [hit.id for hit in told.hits] == [hit.id for hit in found]
    for hit in told.hits:
        assert all(pair.text is not None for pair in hit.pairs)
    assert "| c7 |" in str(told) or told.hits[0].id != "c7"


def test_without_a_model_there_is_nothing_to_explain(tmp_path, open_memory):
    memory = open_memory(tmp_path / "m", embedder=Anagrams(24))
    with pytest.raises(ValueError, match="expected a memory with chunks"):
        memory.explain("what?")
    memory.add(chunks(3))
    with pytest.raises(ValueError, match="expected a full model that serves"):
        memory.explain("what?")
    memory.close()
