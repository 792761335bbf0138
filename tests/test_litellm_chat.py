"""Asking a language model by way of LiteLLM, at a server on this machine."""

import json

import pytest
from chat_server import MESSAGES, asked_twice, serving

pytest.importorskip("litellm", reason='needs the extra: pip install "ragtune[litellm]"')

from ragtune import LiteLLMChat

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydantic")  # of types of LiteLLM's
KEY = "sk-canary-0123456789"


def ask(url, **options):
    chat = LiteLLMChat("openai/m", url, KEY, **{"backoff_s": 0.01, **options})
    return asked_twice(chat)


def test_an_answer_has_its_text_and_tokens():
    with serving(lambda _: "hi") as server:
        answer = ask(server.url)[0]
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("hi", 11, 7)
    assert server.requests[0]["model"] == "m"
    assert server.requests[0]["max_tokens"] == 50
    assert server.requests[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_a_form_that_was_refused_is_not_asked_for_again():
    def reply(request):
        if request.get("response_format", {}).get("type") == "json_schema":
            return 400, {}, json.dumps({"error": {"message": "no response_format of this type"}})
        return "hi"

    with serving(reply) as server:
        assert [answer.text for answer in ask(server.url)] == ["hi", "hi"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status):
    answers = iter([(status, {}, "busy"), "hi", "hi"])
    with serving(lambda _: next(answers)) as server:
        assert ask(server.url)[0].text == "hi"
    assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_given_up():
    refused = pytest.raises(RuntimeError, match="litellm:openai/m: the server refused")
    with serving(lambda _: (500, {}, "broken")) as server, refused:
        ask(server.url, max_retries=2)
    assert len(server.requests) == 3


def test_the_key_is_never_shown():
    wrong = 401, {}, json.dumps({"error": {"message": f"wrong key {KEY}"}})
    with serving(lambda _: wrong) as server, pytest.raises(RuntimeError, match="wrong") as caught:
        ask(server.url)
    assert KEY not in str(caught.value)
    assert KEY not in repr(LiteLLMChat("openai/m", server.url, KEY))
    assert len(server.requests) == 1


def test_a_model_of_another_provider_is_named_as_litellm_does():
    chat = LiteLLMChat("anthropic/claude-sonnet-4-5", mock_response='["what is it?"]')
    assert chat.name == "litellm:anthropic/claude-sonnet-4-5"
    assert chat.ask(MESSAGES, {"type": "object"}, 50).text == '["what is it?"]'


def test_a_metadata_address_is_refused():
    with pytest.raises(ValueError, match="base_url: expected"):
        LiteLLMChat("openai/m", "http://169.254.169.254/v1")
