# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""What is said at logins: every mechanism of every protocol, each with a secret that is different from all
others, whole conversations and such as end while a secret is still coming; and the packets they make."""

import base64
import random
import struct

USER = "anna@example.org"
PORTS = {"imap": 143, "smtp": 587, "pop3": 110, "sieve": 4190}
GREETING = {
    "imap": [("S", "* OK ready")],
    "smtp": [("S", "220 mail ESMTP"), ("C", "EHLO x"), ("S", "250-mail"), ("S", "250 AUTH PLAIN")],
    "pop3": [("S", "+OK <1896.6@x> ready")],
    "sieve": [("S", '"IMPLEMENTATION" "x"'), ("S", '"SASL" "PLAIN"'), ("S", "OK")],
}

drawn = random.Random(1)
secrets = {}  # name: bytes


def secret(name, size=20):
    alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    if name not in secrets:
        secrets[name] = "".join(drawn.choice(alphabet) for _ in range(size)).encode()
    return secrets[name].decode()


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def ntlm_answer(user, answer):
    """The third message: names, and an answer of 24 bytes."""
    user = user.encode("utf-16le")
    at = 64 + len(user)

    def field(size, offset):
        return struct.pack("<HHI", size, size, offset)
    return (b"NTLMSSP\0" + struct.pack("<I", 3) + field(24, at) + field(24, at) + field(0, 64)
            + field(len(user), 64) + field(0, 64) + field(0, 64) + struct.pack("<I", 1) + user + answer)


def mechanisms(protocol):
    """(mechanism, messages of client C and server S)"""
    def own(name, size=20):
        return secret(f"{protocol} {name}", size)

    def scram(name):
        return (name, [("C", f"n,,n={USER},r=fyko"), ("S", "r=fykoX,s=QSXCR+Q6,i=4096"),
                       ("C", f"c=biws,r=fykoX,p={own(name)}"), ("S", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), ("C", "")])
    return [
        ("PLAIN", [("C", f"\0{USER}\0{own('PLAIN')}")]),
        ("LOGIN", [("S", "Username:"), ("C", USER), ("S", "Password:"), ("C", own("LOGIN"))]),
        ("CRAM-MD5", [("S", "<1@x>"), ("C", f"{USER} {own('CRAM-MD5', 32)}")]),
        ("DIGEST-MD5", [
            ("S", 'realm="x",nonce="OA6MG",qop="auth",algorithm=md5-sess'),
            ("C", f'username="{USER}",realm="x",nonce="OA6MG",nc=00000001,cnonce="OA6MH",'
                  f'digest-uri="imap/x",response={own("DIGEST-MD5", 32)},qop=auth'),
            ("S", "rspauth=x"), ("C", "")]),
        scram("SCRAM-SHA-1"), scram("SCRAM-SHA-256"), scram("SCRAM-SHA-256-PLUS"),
        ("NTLM", [("C", b"NTLMSSP\0" + struct.pack("<II", 1, 0x8207) + bytes(16)),
                  ("S", b"NTLMSSP\0" + struct.pack("<I", 2) + bytes(36)),
                  ("C", ntlm_answer("anna", own("NTLM", 24).encode()))]),
        ("GSSAPI", [("C", b"\x60\x40\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02" + own("GSSAPI", 40).encode()),
                    ("S", b"\x60\3abc"), ("C", b"\1\0\0\0anna")]),
        ("GS2-KRB5", [("C", b"n,a=anna,\x60\x40\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
                       + own("GS2-KRB5", 40).encode())]),
        ("XOAUTH2", [("C", f"user={USER}\1auth=Bearer {own('XOAUTH2', 60)}\1\1")]),
        ("OAUTHBEARER", [("C", f"n,a={USER},\1host=x\1port=143\1auth=Bearer {own('OAUTHBEARER', 60)}\1\1")]),
    ]


def attempt(protocol, i, mechanism, messages):
    """One exchange, refused; with an initial response or without, in turns."""
    ask = {"imap": "+ ", "smtp": "334 ", "pop3": "+ ", "sieve": ""}[protocol]
    command = {"imap": f"m{i} AUTHENTICATE {mechanism}", "smtp": f"AUTH {mechanism}", "pop3": f"AUTH {mechanism}",
               "sieve": f'AUTHENTICATE "{mechanism}"'}[protocol]
    refusal = {"imap": f"m{i} NO no", "smtp": "535 5.7.8 no", "pop3": "-ERR [AUTH] no", "sieve": 'NO "no"'}[protocol]

    def written(text):
        return f'"{b64(text)}"' if protocol == "sieve" else b64(text)
    lines = []
    if messages[0][0] == "C" and i % 2 == 0:
        lines.append(("C", f"{command} {written(messages[0][1])}"))
        messages = messages[1:]
    else:
        lines.append(("C", command))
        if messages[0][0] == "C":
            lines.append(("S", ask or '""'))
    for side, text in messages:
        if protocol == "sieve" and side == "C" and i % 3 == 0:
            lines += [(side, f"{{{len(b64(text))}+}}"), (side, b64(text))]
        else:
            lines.append((side, (ask if side == "S" else "") + written(text)))
    return lines + [("S", refusal)]


def own_commands(protocol):
    """What a protocol has beside SASL."""
    if protocol == "imap":
        return [
            [("C", f"a LOGIN anna {secret('imap LOGIN atom')}"), ("S", "a NO no")],
            [("C", f'b LOGIN anna "{secret("imap LOGIN string")}"'), ("S", "b NO no")],
            [("C", "c LOGIN {4}"), ("S", "+ go on"), ("C", "anna {20}"), ("S", "+ go on"),
             ("C", secret("imap LOGIN literal")), ("S", "c NO no")],
            [("C", "d LOGIN anna {20+}"), ("C", secret("imap LOGIN literal+")), ("S", "d NO no")],
        ]
    if protocol == "pop3":
        return [
            [("C", "USER anna"), ("S", "+OK"), ("C", f"PASS {secret('pop3 PASS')}"), ("S", "-ERR [AUTH] no")],
            [("C", f"APOP anna {secret('pop3 APOP', 32)}"), ("S", "-ERR [AUTH] no")],
        ]
    return []


def accepted(protocol):
    password = secret(f"{protocol} accepted")
    plain = b64(f"\0anna\0{password}")
    return {
        "imap": [("C", f"z LOGIN anna {password}"), ("S", "z OK in"), ("C", "y NOOP"), ("S", "y OK done")],
        "smtp": [("C", f"AUTH PLAIN {plain}"), ("S", "235 2.7.0 in"), ("C", "NOOP"), ("S", "250 Ok")],
        "pop3": [("C", "USER anna"), ("S", "+OK"), ("C", f"PASS {password}"), ("S", "+OK in"), ("C", "NOOP"), ("S", "+OK")],
        "sieve": [("C", f'AUTHENTICATE "PLAIN" "{plain}"'), ("S", "OK"), ("C", "NOOP"), ("S", "OK")],
    }[protocol]


def attempts(protocol):
    return own_commands(protocol) + [attempt(protocol, i, *of) for i, of in enumerate(mechanisms(protocol))]


def conversation(protocol):
    """Every way in, refused, and one that is accepted."""
    return GREETING[protocol] + [line for lines in attempts(protocol) for line in lines] + accepted(protocol)


def halves(protocol):
    """(lines, the beginning of a line of the client's): each line that holds a secret, up to five characters
    before its end."""
    all_lines = attempts(protocol)
    own = [form for name, value in secrets.items() if name.startswith(protocol) for form in forms(value)]
    for lines in all_lines:
        for k, (side, text) in enumerate(lines):
            if side == "C" and any(form in text.encode() for form in own):
                yield GREETING[protocol] + lines[:k], text[:-5]


def forms(value):
    """A secret, or its first bytes, as they may be written down."""
    value = value[:12]
    result = {value, value.hex().encode(), value.hex().upper().encode(),
              value.decode().encode("utf-16le")[:-1]}  # and the other UTF-16, but for its first zero
    for shift in range(3):  # base64 of something it stands in
        coded = base64.b64encode(b"x" * shift + value)
        result.add(coded[(0, 2, 3)[shift]:len(coded) // 4 * 4 - 4])
    return result


# ---- As packets

def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Packets:
    """Frames of Ethernet, in their order."""

    def __init__(self):
        self.frames = []
        self.n_conversations = 0

    def packet(self, source, target, seq, ack, flags, payload):
        (ip_a, port_a), (ip_b, port_b) = source, target
        tcp = struct.pack("!HHIIBBHHH", port_a, port_b, seq & 0xffffffff, ack & 0xffffffff, 5 << 4, flags, 65000, 0, 0)
        pseudo = ip_a + ip_b + struct.pack("!BBH", 0, 6, len(tcp) + len(payload))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + payload)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp) + len(payload), 1, 0, 64, 6, 0, ip_a, ip_b)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        self.frames.append(b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp + payload)

    def conversation(self, port, lines, cut, rest=""):
        """In segments of at most cut bytes. It stays open."""
        self.n_conversations += 1
        number = self.n_conversations
        ends = {"C": (bytes([198, 51, 100 + (number >> 8), number & 0xff]), 40000 + number), "S": (bytes([10, 77, 0, 1]), port)}
        seq = {"C": 1000, "S": 5000}
        self.packet(ends["C"], ends["S"], 999, 0, 2, b"")
        self.packet(ends["S"], ends["C"], 4999, 1000, 18, b"")
        self.packet(ends["C"], ends["S"], 1000, 5000, 16, b"")
        for side, data in [(side, text.encode() + b"\r\n") for side, text in lines] + [("C", rest.encode())]:
            other = "S" if side == "C" else "C"
            for at in range(0, len(data), cut):
                piece = data[at:at + cut]
                self.packet(ends[side], ends[other], seq[side], seq[other], 24, piece)
                seq[side] += len(piece)

    def capture(self):
        us = 1768204800 * 1000000
        result = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)]
        for frame in self.frames:
            us += 1000
            result.append(struct.pack("<IIII", us // 1000000, us % 1000000, len(frame), len(frame)) + frame)
        return b"".join(result)
