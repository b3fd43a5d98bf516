# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Clients that send exactly the bytes they are told to: IMAP and SMTP over a plain socket.

imaplib and smtplib choose their own words and segments; these are for what must be on the wire just
so: which kind of literal, what is pipelined, where a segment ends."""

import base64
import hashlib
import hmac
import re
import socket
import time

from network import SERVER_V4, SERVER_V6


class Literal:
    """An argument sent as a literal: synchronising {n}, or not {n+}."""

    def __init__(self, data, plus=False):
        self.data = data if isinstance(data, bytes) else data.encode()
        self.plus = plus


class Talk:
    """A connection from a given address. bytewise: each byte leaves in a segment of its own."""

    def __init__(self, source, port, bytewise=False):
        server = SERVER_V6 if ":" in source else SERVER_V4
        self.socket = socket.create_connection((server, port), 20, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ip, self.port = self.socket.getsockname()[:2]
        self.bytewise = bytewise
        self.file = self.socket.makefile("rb")

    def send(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        if not self.bytewise:
            self.socket.sendall(data)
            return
        for i in range(len(data)):
            self.socket.sendall(data[i:i + 1])
            time.sleep(0.0003)

    def line(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the server closed the connection")
        return line

    def close(self):
        self.file.close()
        self.socket.close()


class Imap(Talk):
    def __init__(self, source, port=143, bytewise=False):
        super().__init__(source, port, bytewise)
        self.n = 0
        self.greeting = self.line()

    def tag(self):
        self.n += 1
        return f"a{self.n}"

    def response(self):
        """One response with its literals."""
        data = self.line()
        while True:
            size = re.search(rb"\{(\d+)\}\r\n$", data)
            if not size:
                return data
            data += self.file.read(int(size[1])) + self.line()

    def until(self, tag):
        """Everything up to the tagged response, and that response's status."""
        got = b""
        while True:
            response = self.response()
            got += response
            if response.startswith(tag.encode() + b" "):
                return response.split()[1].decode(), got
            if response.startswith(b"+"):
                raise RuntimeError(f"a continuation nobody waits for: {got!r}")

    def command(self, *words):
        """Sends one command, waiting where a synchronising literal asks to; (status, responses)."""
        tag = self.tag()
        data = tag.encode()
        for word in words:
            if not isinstance(word, Literal):
                data += b" " + (word if isinstance(word, bytes) else word.encode())
                continue
            plus = b"+" if word.plus else b""
            data += b" {%d%s}\r\n" % (len(word.data), plus)
            if not word.plus:
                self.send(data)
                go_on = self.line()
                if not go_on.startswith(b"+"):
                    return go_on.split()[1].decode(), go_on
                data = b""
            data += word.data
        self.send(data + b"\r\n")
        return self.until(tag)

    def ok(self, *words):
        status, got = self.command(*words)
        if status != "OK":
            raise RuntimeError(f"{words}: {got!r}")
        return got

    def authenticate(self, mechanism, *answers, initial=False):
        """answers: what to say to each challenge; a function gets the challenge."""
        tag = self.tag()
        answers = list(answers)
        first = " " + _base64(answers.pop(0)) if initial else ""
        self.send(f"{tag} AUTHENTICATE {mechanism}{first}\r\n")
        for answer in answers:
            challenge = self.line()
            if not challenge.startswith(b"+"):
                return challenge.split()[1].decode()
            if callable(answer):
                answer = answer(base64.b64decode(challenge[2:]))
            self.send(_base64(answer) + "\r\n")
        return self.until(tag)[0]

    def pipeline(self, *commands):
        """All commands in one write, then all answers, in whatever order they come."""
        tags = [self.tag() for _ in commands]
        self.send("".join(f"{t} {c}\r\n" for t, c in zip(tags, commands)))
        status = {}
        while len(status) < len(tags):
            words = self.response().split()
            if words[0].decode() in tags:
                status[words[0].decode()] = words[1].decode()
        return [status[tag] for tag in tags]

    def logout(self):
        self.command("LOGOUT")
        self.close()


class Smtp(Talk):
    def __init__(self, source, port=25, bytewise=False):
        super().__init__(source, port, bytewise)
        self.reply()

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != b"-":
                return int(line[:3]), line

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def ok(self, text):
        code, line = self.command(text)
        if code >= 400:
            raise RuntimeError(f"{text}: {line!r}")
        return line

    def auth_plain(self, user, password, initial=True):
        if initial:
            return self.command("AUTH PLAIN " + _base64(plain(user, password)))[0]
        self.command("AUTH PLAIN")
        return self.command(_base64(plain(user, password)))[0]

    def auth_login(self, user, password, initial=False):
        if initial:
            self.command("AUTH LOGIN " + _base64(user))
        else:
            self.command("AUTH LOGIN")
            self.command(_base64(user))
        return self.command(_base64(password))[0]

    def data(self, content):
        self.command("DATA")
        self.send(stuffed(content) + b".\r\n")
        return self.reply()

    def quit(self):
        self.command("QUIT")
        self.close()


def stuffed(content):
    return re.sub(rb"(?m)^\.", b"..", content)


def plain(user, password):
    return f"\0{user}\0{password}"


def cram_md5(user, password):
    def answer(challenge):
        return f"{user} {hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()}"
    return answer


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _base64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()
