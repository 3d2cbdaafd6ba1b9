#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Copyright The rkt Authors

"""aci_server.py DIR [--port=N] [--address=A] [--tls=CERT,KEY]: a web server for tests, well-behaved or not.

Serves the files of DIR. DIR/rules.json, read anew for each request, says what is to be different: {PATH: RULE}, where
the path may have its query, and "*" stands for all. A rule has any of

  status      N, or [N, M, ...] for one request after the other, the last one for all that follow
  head        the status of answers to HEAD
  body        text instead of the file
  headers     {NAME: VALUE} more of them
  etag        sent, and compared with If-None-Match
  ranges      true: Accept-Ranges and ranges
  modified    Last-Modified, seconds since the epoch
  redirect    Location, with status 302 unless another one is given
  cut         bytes after which the connection is closed
  rate        bytes a second
  length      false: no Content-Length
  endless     true: goes on for ever (without length), or pretends a length
  range_lie   true: answers a range with another one
  wait        seconds before the answer
  flood       true: headers without end

Each request is a line in DIR/requests: the method, the path, and the headers, separated by " | ". A request for an absolute
URL, as proxies get it, is answered like one for its path. "ready PORT" is printed when connections are taken.
"""

import email.utils
import http.server
import json
import os
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse

LOCK = threading.Lock()
COUNTS = {}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    directory = "."

    def log_message(self, *arguments):
        pass

    def rule(self, path):
        try:
            with open(os.path.join(self.directory, "rules.json"), encoding="utf-8") as file:
                rules = json.load(file)
        except FileNotFoundError:
            return {}
        return rules.get(path, rules.get(path.split("?")[0], rules.get("*", {})))

    def note(self, path):
        line = " | ".join([self.command, path] + [f"{name}: {value}" for name, value in self.headers.items()])
        with LOCK, open(os.path.join(self.directory, "requests"), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def content(self, path, rule):
        if "body" in rule:
            return rule["body"].encode()
        name = os.path.normpath(urllib.parse.unquote(path.split("?")[0])).lstrip("/")
        try:
            with open(os.path.join(self.directory, "files", name), "rb") as file:
                return file.read()
        except OSError:
            return None

    def status(self, path, rule):
        if self.command == "HEAD" and "head" in rule:
            return rule["head"]
        status = rule.get("status", 302 if "redirect" in rule else 200)
        if isinstance(status, list):
            with LOCK:
                n = COUNTS.get((self.command, path), 0)
                COUNTS[(self.command, path)] = n + 1
            status = status[min(n, len(status) - 1)]
        return status

    def do_HEAD(self):
        self.do_GET()

    def do_CONNECT(self):
        self.note(self.path)
        self.send_error(403)

    def do_GET(self):
        path = self.path
        if "://" in path:
            parts = urllib.parse.urlsplit(path)
            self.note(path)
            path = parts.path + ("?" + parts.query if parts.query else "")
        else:
            self.note(path)
        rule = self.rule(path)
        if "wait" in rule:
            time.sleep(rule["wait"])
        status = self.status(path, rule)
        content = self.content(path, rule) if status == 200 else b"status %d\n" % status
        if content is None:
            status, content = 404, b"no such file\n"
        headers = dict(rule.get("headers", {}))
        begin = 0
        if status == 200:
            if "etag" in rule:
                headers["ETag"] = rule["etag"]
            if "modified" in rule:
                headers["Last-Modified"] = email.utils.formatdate(rule["modified"], usegmt=True)
            if "etag" in rule and self.headers.get("If-None-Match") == rule["etag"]:
                status, content = 304, b""
            elif rule.get("ranges"):
                headers["Accept-Ranges"] = "bytes"
                wanted = self.headers.get("Range", "")
                if wanted.startswith("bytes=") and wanted.endswith("-"):
                    begin = int(wanted[6:-1])
                    if begin >= len(content):
                        status, content, begin = 416, b"", 0
                    else:
                        status = 206
                        first = begin + 1 if rule.get("range_lie") else begin
                        headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        if "redirect" in rule:
            headers["Location"] = rule["redirect"]
        self.answer(status, headers, content[begin:], rule)

    def answer(self, status, headers, content, rule):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if rule.get("length", True) and not rule.get("endless"):
            self.send_header("Content-Length", str(len(content)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        if rule.get("flood"):
            self.flush_headers()
            for n in range(1 << 20):
                self.wfile.write(b"X-Flood-%d: %s\r\n" % (n, b"x" * 4000))
        self.end_headers()
        if self.command == "HEAD":
            return
        if "cut" in rule and status in (200, 206):
            self.wfile.write(content[: rule["cut"]])
            self.wfile.flush()
            self.close_connection = True
            return
        if "rate" in rule and status in (200, 206):
            step = max(1, rule["rate"] // 20)
            for at in range(0, len(content), step):
                self.wfile.write(content[at : at + step])
                time.sleep(0.05)
            return
        self.wfile.write(content)
        while rule.get("endless") and status == 200:
            self.wfile.write(b"\0" * 65536)


def main():
    options = dict(word[2:].split("=", 1) for word in sys.argv[2:])
    Handler.directory = sys.argv[1]
    server = Server((options.get("address", "127.0.0.1"), int(options.get("port", "0"))), Handler)
    if "tls" in options:
        certificate, key = options["tls"].split(",")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # The handshake is done by the thread of the connection, so that a silent client blocks nobody.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("ready", server.server_address[1], flush=True)
    server.serve_forever()


main()
