"""A local HTTP server of files, which can misbehave."""

import contextlib
import http.server
import re
import sys
import threading


class _Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get('Range')))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header('Location', server.redirects[self.path])
            self.end_headers()
            return
        if self.path in server.answers:
            self.wfile.write(server.answers[self.path])
            return
        content = server.files.get(self.path.lstrip('/'))
        if content is None:
            self.send_error(404)
            return
        self._send(content)

    def _send(self, content):
        server, total = self.server, len(content)
        asked = re.match(r'bytes=(\d+)-', self.headers.get('Range') or '')
        begin = int(asked[1]) if asked and server.ranges else 0
        if begin > total:
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header('Content-Type', server.content_type)
        self.send_header('Content-Length', str(total - begin))
        if begin:
            self.send_header('Content-Range',
                             f'bytes {begin}-{total - 1}/{total}')
        self.end_headers()
        # Both before the content is sent: from then on a test may change them.
        end = total if server.cut is None else min(total, begin + server.cut)
        silent = server.silent
        self.wfile.write(content[begin:end])
        self.wfile.flush()
        if silent:
            server.released.wait()

    def log_message(self, *args):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that has gone is no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving(**files):
    """A server of files {name: bytes}, with `url`. Its attributes say how it
    behaves: ranges, cut (bytes after which it closes), silent (then it waits),
    redirects, content_type, answers {path: all bytes of the response};
    `requests` are (path, range)."""
    server = _Server(('localhost', 0), _Handler)
    server.files, server.requests, server.redirects = files, [], {}
    server.answers = {}
    server.ranges, server.cut, server.silent = True, None, False
    server.content_type = 'application/octet-stream'
    server.released = threading.Event()
    server.url = f'http://localhost:{server.server_address[1]}'
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
