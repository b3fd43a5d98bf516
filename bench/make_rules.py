#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""make_rules.py N [SEED]: so many content rules on standard output, in the mix that a mail sensor carries: hosts and
addresses of campaigns, phrases in Czech and English, keys with a prefix, subjects, file names, header
fields, HTML, client names. The same numbers give the same rules. Words are made up, so that nothing of
them stands in innocent mail."""

import random
import sys

SYLLABLES = ("ba be bo ce da de di do fa fe ga go ha he ho ja je ka ke ko ku la le li lo lu ma me mi mo na ne ni no pa"
             " pe po ra re ri ro ru sa se si so ta te ti to tu va ve vi vo za ze zi zo").split()
WORDS = ("smlouva rozpočet zpráva návrh příloha jednání úřad ministr porada velvyslanectví contract budget report"
         " draft meeting minister embassy password invoice transfer").split()


def name(r, n):
    return "".join(r.choice(SYLLABLES) for _ in range(n))


def host(r):
    return f"{name(r, r.randint(3, 5))}{r.randint(1, 99)}\\.{r.choice(['com', 'net', 'org', 'xyz', 'top', 'info'])}"


def url(r):
    return "message", f"https?://(?:[a-z0-9-]{{1,20}}\\.)?{host(r)}/", []


def domain(r):
    return "message", f"[^a-z0-9-]{host(r)}[^a-z0-9-]", ["caseless"]


def phrase(r):
    words = " ".join([r.choice(WORDS), name(r, 4), r.choice(WORDS)])
    return "[body, attachment, subject]", words, ["caseless", "fold"]


def token(r):
    return "[body, attachment]", f"{name(r, 3)}_[0-9A-Za-z]{{{r.choice([16, 24, 32])}}}", []


def subject(r):
    return "subject", f"^(?:Re: |Fwd: )?{name(r, 3)} {name(r, 4)}", ["caseless"]


def filename(r):
    return "filename", f"{name(r, 3)}[-_ ]?[0-9]{{2,8}}\\.(?:docm|xlsm|js|iso|zip)$", ["caseless"]


def header(r):
    return f"header:{r.choice(['X-Mailer', 'Message-ID', 'Received', 'From'])}", f"{name(r, 5)}[0-9]", ["caseless"]


def markup(r):
    return "markup", f"<(?:form|iframe|script)[^>]{{1,60}}{host(r)}", ["caseless"]


def client(r):
    return r.choice(["client-id", "helo", "argument"]), f"^{name(r, 4)}", ["caseless"]


KINDS = [(url, 25), (domain, 20), (phrase, 20), (token, 10), (subject, 7), (filename, 6), (header, 4), (markup, 4), (client, 4)]


def main():
    n = int(sys.argv[1])
    r = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print("rules:")
    for i in range(n):
        kind = r.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        look, pattern, flags = kind(r)
        print(f"  - id: made-{i}\n    look: {look}\n    pattern: '{pattern}'")
        if flags:
            print(f"    flags: [{', '.join(flags)}]")
        print(f"    severity: {r.choice(['low', 'medium', 'high'])}")


main()
