"""The organization whose users are published: rollcall's own sandbox, and before it a proxy that gives chosen users preferences that the sandbox's API
refuses, as a product does when somebody adds a setting or changes what one holds. All else passes through it byte for byte."""

import http.client
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.request

# An item as far as its preferences. Within a string the quotation marks would be escaped.
ITEM = re.compile(rb'"user_id":"([^"]+)",.*?,"preferences":(?:\{(\}?)|null)', re.DOTALL)


class Source:
    def __init__(self, rollcall, users, log):
        self.preferences = {}  # user_id: JSON members that stand before the user's own preferences
        self.stray = False     # whether the list has an item without user_id
        self.process = subprocess.Popen([rollcall, "sandbox", "--users", str(users), "--items", "full"], stdout=subprocess.PIPE, stderr=log, text=True)
        self.settings = {}
        while len(self.settings) < 5:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("the sandbox did not start")
            name, _, setting = line.removeprefix("export ").strip().partition("=")
            self.settings[name] = setting
        self.upstream = self.settings["AMIGO_BASE_URL"].removeprefix("http://")
        self.organization = self.settings["AMIGO_ORGANIZATION_ID"]
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self):
        """What rollcall is told of the source."""
        return {**os.environ, **self.settings, "AMIGO_BASE_URL": "http://127.0.0.1:%d" % self.server.server_address[1]}

    def close(self):
        self.server.shutdown()
        self.process.terminate()
        self.process.wait()

    def handler(self):
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            upstream = None

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection", "accept-encoding", "content-length")}
                if self.upstream is None:
                    self.upstream = http.client.HTTPConnection(source.upstream)
                self.upstream.request(self.command, self.path, body or None, headers)
                answer = self.upstream.getresponse()
                raw = answer.read()
                if self.command == "GET" and re.search(r"/user/(\?|$)", self.path):
                    raw = source.edit(raw, "user_id=" not in self.path)
                self.send_response_only(answer.status, answer.reason)
                for k, v in answer.getheaders():
                    if k.lower() not in ("content-length", "connection", "transfer-encoding"):
                        self.send_header(k, v)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        return Handler

    def edit(self, raw, listed):
        def prefer(item):
            extra = self.preferences.get(item[1].decode())
            if extra is None:
                return item[0]
            if item[2] is None:
                return item[0].removesuffix(b"null") + b"{%s}" % extra.encode()
            return item[0].removesuffix(b"}") + extra.encode() + (item[2] or b",")

        raw = ITEM.sub(prefer, raw)
        if self.stray and listed and raw.startswith(b'{"users":[{'):
            raw = raw.replace(b'{"users":[', b'{"users":[{"org_id":"%s","first_name":"Nobody","preferences":{}},' % self.organization.encode(), 1)
        return raw

    def call(self, method, path, body=None):
        """One request to the sandbox's own API, as an administrator."""
        address = self.settings["AMIGO_BASE_URL"] + "/v1/" + self.organization + "/"
        if not hasattr(self, "token"):
            keys = {"x-api-key": self.settings["AMIGO_API_KEY"], "x-api-key-id": self.settings["AMIGO_API_KEY_ID"], "x-user-id": self.settings["AMIGO_USER_ID"]}
            with urllib.request.urlopen(urllib.request.Request(address + "user/signin_with_api_key", method="POST", headers=keys)) as answer:
                self.token = json.load(answer)["id_token"]
        headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(address + path, None if body is None else json.dumps(body).encode(), headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()
