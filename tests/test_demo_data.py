"""The demo's corpus and questions: large enough, varied, and about the same objects."""

import json
import re
from collections import Counter
from functools import cache
from importlib import resources

from ragtune.demo import stdlib

STYLES = {"keyword", "question", "symptom", "paraphrase"}


@cache
def corpus():
    return stdlib.chunks()


@cache
def sources():
    return {chunk.id: chunk.source for chunk in corpus()}


@cache
def questions():
    lines = resources.files("ragtune.demo").joinpath("questions.jsonl").read_text("utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def contains_word(text, word):
    return re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) is not None


def test_corpus_has_at_least_3000_chunks_with_unique_ids():
    assert len(corpus()) >= 3000
    assert len({chunk.id for chunk in corpus()}) == len(corpus())


def test_chunks_have_unique_texts_that_start_with_their_id():
    assert len({chunk.text for chunk in corpus()}) == len(corpus())
    assert all(chunk.text.startswith(chunk.id) for chunk in corpus())
    assert all(chunk.text.partition("\n\n")[2].strip() for chunk in corpus())


def test_corpus_is_the_same_when_built_again():
    assert stdlib.chunks() == corpus()


def test_ids_are_the_public_paths_where_users_look():
    expected = {
        "asyncio.gather": "asyncio",
        "builtins.open": "builtins",
        "builtins.str.split": "builtins",
        "collections.OrderedDict": "collections",
        "concurrent.futures.ThreadPoolExecutor": "concurrent.futures",
        "json.JSONDecoder": "json",
        "os.path.join": "os.path",
        "pathlib.Path.mkdir": "pathlib",
        "random.choice": "random",
        "socket.socket.bind": "socket",
        "textwrap": "textwrap",
        "threading.Lock": "threading",
        "unittest.TestCase.assertRaises": "unittest",
    }
    assert {path: sources().get(path) for path in expected} == expected


def test_objects_are_not_repeated_under_the_path_that_implements_them():
    assert not {"posixpath.join", "asyncio.tasks.gather", "io.open", "json.decoder.JSONDecoder"} & (
        sources().keys()
    )


def test_texts_do_not_depend_on_the_machine(monkeypatch):
    monkeypatch.setenv("RAGTUNE_TEST_SECRET", "do not leak")
    texts = [chunk.text for chunk in stdlib.chunks()]
    assert not [text for text in texts if "RAGTUNE_TEST_SECRET" in text]
    assert not [text for text in texts if re.search(r" at 0x[0-9a-f]{6,}", text)]


def test_there_are_at_least_800_questions_over_80_modules():
    modules = {sources()[q["answers"][0]] for q in questions() if q["answers"][0] in sources()}
    assert len(questions()) >= 800
    assert len(modules) >= 80


def test_questions_have_exactly_a_text_answers_and_a_style():
    assert all(q.keys() == {"question", "answers", "style"} for q in questions())
    assert all(q["question"] == q["question"].strip() != "" for q in questions())
    assert all(1 <= len(set(q["answers"])) == len(q["answers"]) <= 4 for q in questions())


def test_each_of_the_four_styles_has_at_least_150_questions():
    counts = Counter(q["style"] for q in questions())
    assert counts.keys() == STYLES
    assert min(counts.values()) >= 150


def test_questions_are_unique_whatever_their_case():
    texts = [q["question"].casefold() for q in questions()]
    assert len(set(texts)) == len(texts)


def test_no_module_has_more_than_40_questions():
    counts = Counter(sources().get(q["answers"][0]) for q in questions())
    assert max(counts.values()) <= 40


def test_symptoms_and_paraphrases_do_not_name_their_answers():
    leaks = [
        (answer, q["question"])
        for q in questions()
        if q["style"] in ("symptom", "paraphrase")
        for answer in q["answers"]
        if len(name := answer.rpartition(".")[2]) > 4 and contains_word(q["question"], name)
    ]
    assert leaks == []


def test_at_most_2_percent_of_answers_are_missing_from_this_interpreter():
    answers = [answer for q in questions() for answer in q["answers"]]
    missing = [answer for answer in answers if answer not in sources()]
    assert len(missing) <= 0.02 * len(answers), missing
