# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Clients that send exactly the bytes they are told to: IMAP and SMTP over a plain socket.

imaplib and smtplib choose their own words and segments; these are for what must be on the wire just
so: which kind of literal, what is pipelined, where a segment ends."""

import base64
import hashlib
import hmac
import io
import poplib
import re
import socket
import time
import zlib

from network import SERVER_V4, SERVER_V6


class Literal:
    """An argument sent as a literal: synchronising {n}, or not {n+}."""

    def __init__(self, data, plus=False):
        self.data = data if isinstance(data, bytes) else data.encode()
        self.plus = plus


class Talk:
    """A connection from a given address. bytewise: each byte leaves in a segment of its own."""

    def __init__(self, source, port, bytewise=False, server=None):
        server = server or (SERVER_V6 if ":" in source else SERVER_V4)
        self.socket = socket.create_connection((server, port), 20, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ip, self.port = self.socket.getsockname()[:2]
        self.bytewise = bytewise
        self.deflater = None
        self.file = self.socket.makefile("rb")

    def send(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        if self.deflater:
            data = self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
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

    def deflate(self):
        """From now on both sides compress (RFC 4978)."""
        self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.file = io.BufferedReader(Inflated(self.socket))

    def logout(self):
        self.command("LOGOUT")
        self.close()


class Inflated(io.RawIOBase):
    """What comes in compressed."""

    def __init__(self, connection):
        self.connection = connection
        self.inflater = zlib.decompressobj(-15)
        self.left = b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while not self.left:
            data = self.connection.recv(65536)
            if not data:
                return 0
            self.left = self.inflater.decompress(data)
        n = min(len(buffer), len(self.left))
        buffer[:n] = self.left[:n]
        self.left = self.left[n:]
        return n


class Pop3(poplib.POP3):
    """The library's own, from a given address."""

    def __init__(self, server, source):
        self.source = source
        super().__init__(server, 110, 20)

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), timeout, source_address=(self.source, 0))


class Sieve(Talk):
    def __init__(self, server, source):
        super().__init__(source, 4190, server=server)
        self.answer()

    def answer(self):
        """All lines up to OK, NO or BYE, and what literals are among them; that line alone is returned."""
        while True:
            line = self.line()
            if line.startswith((b"OK", b"NO", b"BYE")):
                size = re.search(rb"\{(\d+)\}\r\n$", line)
                return line + (self.file.read(int(size[1])) + self.line() if size else b"")
            if size := re.search(rb"\{(\d+)\}\r\n$", line):
                self.file.read(int(size[1]))

    def said(self, text):
        self.send(text + "\r\n")
        return self.answer()

    def ok(self, text):
        answer = self.said(text)
        if not answer.startswith(b"OK"):
            raise RuntimeError(f"{text}: {answer!r}")

    encoded = staticmethod(lambda text: _base64(text))


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
