"""What the shims share: an HTTP server on a free port of the loopback interface. It prints its
port, and ends when its standard input does, that is with the test."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(answer):
    """Answers each request with what `answer(method, target, headers, body)` returns: a status,
    headers, and bytes, a text, or anything that JSON can hold. Names of headers are in lower
    case."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                status, more, content = answer(self.command, self.path, headers, body)
            if not isinstance(content, (bytes, str)):
                content = json.dumps(content)
            content = content.encode() if isinstance(content, str) else content
            self.send_response(status)
            for name, value in {**more, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell(server.server_port)


def tell(port):
    """Prints the port, and waits for the end of the test."""
    print(port, flush=True)
    sys.stdin.read()
