"""Reading a BEIR corpus beside orjson, line by line: scifact, same content, one run."""

import orjson
from common import alternate, arguments, finish

from ragtune import _core


def with_orjson(path):
    ids, texts, titles = [], [], []
    with open(path, "rb") as file:
        for line in file:
            record = orjson.loads(line)
            ids.append(record["_id"])
            texts.append(record["text"])
            titles.append(record.get("title"))
    return [ids, texts, titles]


def main():
    options = arguments(__doc__)
    path = str(options.data / "scifact/corpus.jsonl") if options.data else None
    if not path:
        raise SystemExit("--data: expected the folder of the data sets")

    def ours():
        return _core.read_jsonl(path, required=["_id", "text"], optional=["title"])

    assert ours() == with_orjson(path)
    medians = alternate({"ragtune": ours, "orjson": lambda: with_orjson(path)}, rounds=31)
    figures = {f"{name}_ms": round(1e3 * seconds, 2) for name, seconds in medians.items()}
    figures["ratio"] = round(medians["orjson"] / medians["ragtune"], 2)
    finish("jsonl", {"same_content": True, **figures}, options.save)


if __name__ == "__main__":
    main()
