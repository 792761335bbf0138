"""A server on this machine that speaks OpenAI's chat API, as well or badly as a test asks."""

import contextlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MESSAGES = [{"role": "user", "content": "hello"}]


class ChatServer:
    """Answers with `reply(request)`: a text, or (status, headers, body)."""

    def __init__(self, reply):
        self.reply, self.requests, self.lock = reply, [], threading.Lock()


@contextmanager
def serving(reply):
    state = ChatServer(reply)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.requests.append(body)
            answer = state.reply(body)
            if isinstance(answer, str):
                message = {"role": "assistant", "content": answer}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
                answer = (200, {}, json.dumps(
                    {"id": "1", "object": "chat.completion", "created": 0, "model": "m",
                     "choices": [choice], "usage": usage}
                ))  # fmt: skip
            status, headers, text = answer
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            with contextlib.suppress(ConnectionError):  # the one who asked is gone
                self.end_headers()
                self.wfile.write(text.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked_twice(chat):
    """Both answers of a client of such a server."""
    try:
        return [chat.ask(MESSAGES, {"type": "object"}, 50) for _ in range(2)]
    finally:
        chat.close()
