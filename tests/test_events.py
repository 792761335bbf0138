import asyncio
import json
import threading
import time

import pytest

from ragtune.events import Event, stream


def test_an_event_is_one_line_of_json():
    event = Event("training", 1, 3, "fold\n1", run_id="r", data={"recall@1": 0.5})
    line = event.to_json()
    assert "\n" not in line
    read = json.loads(line)
    assert (read["phase"], read["done"], read["total"]) == ("training", 1, 3)
    assert read["data"] == {"recall@1": 0.5}
    assert read["time"].endswith("+00:00")


@pytest.mark.parametrize("wrong", [{"phase": "resting"}, {"level": "loud"}])
def test_an_unknown_phase_or_level_is_refused(wrong):
    with pytest.raises(ValueError, match="expected one of"):
        Event(**{"phase": "training", "done": 0, "total": 0} | wrong)


async def collected(work):
    return [event.done async for event in stream(work)]


def test_a_stream_gives_every_event_in_order():
    def work(listen):
        for i in range(100):
            listen(Event("training", i, 100))

    assert asyncio.run(collected(work)) == list(range(100))


def test_a_stream_never_blocks_the_loop():
    def work(listen):
        listen(Event("training", 0, 1))
        time.sleep(0.3)

    async def watch():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        beside = asyncio.create_task(tick())
        await collected(work)
        beside.cancel()
        return ticks

    assert asyncio.run(watch()) >= 10


def test_what_the_work_raises_is_raised_after_its_events():
    def work(listen):
        listen(Event("training", 0, 1))
        raise ValueError("no pairs")

    seen = []

    async def read():
        async for event in stream(work):
            seen.append(event.done)

    with pytest.raises(ValueError, match="no pairs"):
        asyncio.run(read())
    assert seen == [0]


def test_who_stops_listening_stops_the_work():
    stopped = threading.Event()

    def work(listen):
        try:
            while True:
                listen(Event("training", 0, 0))
                time.sleep(0.01)
        finally:
            stopped.set()

    async def read():
        events = stream(work)
        await anext(events)
        await events.aclose()

    asyncio.run(read())
    assert stopped.wait(5)
