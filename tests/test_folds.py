"""Who may judge whom."""

import numpy as np
from conftest import data, planted

from ragtune.folds import document_folds, query_folds
from ragtune.training_data import training_data


def test_document_folds_never_train_on_a_judged_document():
    groups = np.repeat(np.arange(100), 4)
    training = data(groups)
    folds = document_folds(training, seed=0)
    assert sorted(np.concatenate([fold.judge for fold in folds])) == list(range(300))
    for fold in folds:
        trained, judged = (
            set(training.groups[training.pair_row[np.isin(training.pair_query, part)]])
            for part in (fold.train, fold.judge)
        )
        assert not trained & judged


def test_query_folds_judge_only_documents_with_other_questions():
    training = data()
    for fold in query_folds(training, seed=0):
        assert not set(fold.train) & set(fold.judge)
        trained = set(training.pair_row[np.isin(training.pair_query, fold.train)])
        for query in fold.judge:
            assert trained & set(training.pair_row[training.pair_query == query])


def test_copies_of_a_document_share_its_fold():
    corpus, queries, qrels = planted(n=100)
    doubled = np.concatenate([corpus, corpus + 1e-4])
    both = [{row: 1.0 for row in (next(iter(g)), next(iter(g)) + 100)} for g in qrels]
    training = training_data(doubled, queries, both, None)
    judged = np.unique(training.pair_row)
    originals = judged[judged < 100]
    np.testing.assert_array_equal(training.groups[originals], training.groups[originals + 100])
