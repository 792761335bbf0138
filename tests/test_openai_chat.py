"""Asking a language model at an OpenAI-compatible server."""

import json
import time

import pytest
from chat_server import asked_twice, serving

from ragtune import OpenAIChat

KEY = "sk-canary-0123456789"


def refusing(*forms):
    def reply(request):
        form = request.get("response_format", {}).get("type", "plain")
        return (400, {}, '{"error": "response_format"}') if form in forms else f"as {form}"

    return reply


def ask(server, **options):
    chat = OpenAIChat("m", server.url, KEY, **{"backoff_s": 0.01, **options})
    return asked_twice(chat)


def test_an_answer_has_its_text_and_tokens():
    with serving(lambda _: "hi") as server:
        answer = ask(server)[0]
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("hi", 11, 7)
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert server.requests[0]["max_tokens"] == 50
    assert "tools" not in server.requests[0]


@pytest.mark.parametrize(
    ("refused", "form"),
    [(["json_schema"], "json_object"), (["json_schema", "json_object"], "plain")],
)
def test_a_form_that_was_refused_is_not_asked_for_again(refused, form):
    with serving(refusing(*refused)) as server:
        assert [answer.text for answer in ask(server)] == [f"as {form}"] * 2
    assert len(server.requests) == len(refused) + 2


def newest(request):
    """Refuses what OpenAI's newest models do, in its words."""
    if "max_tokens" in request:
        reason, name = "Use 'max_completion_tokens' instead.", "max_tokens"
    elif request.get("temperature", 1) != 1:
        reason, name = "Only the default (1) value is supported.", "temperature"
    else:
        return "hi"
    said = f"Unsupported: '{name}' is not supported with this model. {reason}"
    return 400, {}, json.dumps({"error": {"message": said, "param": name}})


def test_the_newest_models_get_length_and_temperature_as_they_take_them():
    with serving(newest) as server:
        assert [answer.text for answer in ask(server, temperature=0.2)] == ["hi"] * 2
    assert len(server.requests) == 4
    for request in server.requests[2:]:
        assert request["max_completion_tokens"] == 50
        assert not {"max_tokens", "temperature"} & set(request)
        assert request["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "said",
    ["max_tokens is too large: 50. This model supports at most 40 completion tokens.",
     "temperature: expected 2 or less."],
)  # fmt: skip
def test_a_value_that_is_out_of_range_is_told_and_not_left_out(said):
    refusal = 400, {}, json.dumps({"error": {"message": said}})
    with serving(lambda _: refusal) as server, pytest.raises(RuntimeError, match=said[:20]):
        ask(server, temperature=3.0)
    assert all(r["max_tokens"] == 50 and r["temperature"] == 3.0 for r in server.requests)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(status):
    answers = iter([(status, {"Retry-After": "0.01"}, "busy"), "hi", "hi"])
    with serving(lambda _: next(answers)) as server:
        assert ask(server)[0].text == "hi"
    assert len(server.requests) == 3


def test_retry_after_is_waited_for():
    answers = iter([(429, {"Retry-After": "0.4"}, "busy"), "hi", "hi"])
    begin = time.monotonic()
    with serving(lambda _: next(answers)) as server:
        ask(server)
    assert time.monotonic() - begin >= 0.4


def test_a_server_that_stays_busy_is_given_up():
    with serving(lambda _: (500, {}, "broken")) as server, pytest.raises(RuntimeError, match="500"):
        ask(server, max_retries=2)
    assert len(server.requests) == 3


def test_a_server_that_is_too_slow_is_a_connection_error():
    def late(_):
        time.sleep(0.5)
        return "hi"

    with serving(late) as server, pytest.raises(ConnectionError, match="no answer from"):
        ask(server, timeout_s=0.1, max_retries=1)
    assert len(server.requests) == 2


def test_the_key_is_never_shown():
    with serving(lambda _: (401, {}, f'{{"error": {{"message": "wrong key {KEY}"}}}}')) as server:
        with pytest.raises(RuntimeError, match=r"\*\*\*") as caught:
            ask(server)
        assert KEY not in str(caught.value)
        assert KEY not in repr(OpenAIChat("m", server.url, KEY))
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed():
    moved = 307, {"Location": "http://169.254.169.254/"}, ""
    with serving(lambda _: moved) as server, pytest.raises(RuntimeError, match="307"):
        ask(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host/", "http://169.254.169.254/v1", "http://[fe80::1]/v1",
     "http://metadata.google.internal/v1", "http://[::ffff:169.254.169.254]/v1", "http:///v1",
     "http://2852039166/v1", "http://user:pass@host/v1"],
)  # fmt: skip
def test_other_schemes_and_metadata_addresses_are_refused(url):
    with pytest.raises(ValueError, match="base_url: expected"):
        OpenAIChat("m", url, KEY)


def test_a_link_local_address_may_be_allowed():
    chat = OpenAIChat("m", "http://169.254.1.2/v1", KEY, allow_link_local=True)
    assert "169.254.1.2" in repr(chat)


def test_a_missing_key_is_told_with_the_name_of_its_variable(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        OpenAIChat("m")
