from ragtune.questions.extractive import KEYWORDS, LONGEST, SOURCE, extract

TEXTS = [
    "The kettle boils water. A thermostat named Zyx4 ends it when the steam is hot enough.",
    "The printer jams often. Its Qwert roller must be cleaned with the alcohol each month.",
    "The water is cold. It is.",
] + [f"The common words of chunk are here. They say the same of all number{i}." for i in range(30)]


def test_each_pair_uses_the_words_of_its_chunk_and_says_what_it_is():
    ids = [f"c{i}" for i in range(len(TEXTS))]
    pairs = extract(ids, TEXTS)
    for pair in pairs:
        text = TEXTS[ids.index(pair.chunk_id)]
        assert pair.source == SOURCE
        assert set(pair.question.split()) <= set(text.replace(".", " ").split()) | set(text.split())
        assert len(pair.question.split()) <= (KEYWORDS if pair.style == "keyword" else LONGEST)
    first = {pair.style: pair.question for pair in pairs if pair.chunk_id == "c0"}
    assert "thermostat" in first["keyword"]
    assert first["sentence"].startswith("A thermostat named Zyx4")


def test_chunks_without_a_rare_word_or_a_second_sentence_get_fewer():
    assert extract(["a"], [""]) == []
    assert [pair.style for pair in extract(["a", "b"], ["one sentence of words", "x y"])] == [
        "keyword"
    ]


def test_a_memory_adds_them_once(memory):
    memory.add(TEXTS, ids=[f"c{i}" for i in range(len(TEXTS))])
    assert memory.questions.extract() > 30
    assert memory.questions.extract() == 0
