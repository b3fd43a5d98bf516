#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Every command and extension that Postern says it reads is said in a talk (tests/talks/*.talk). With -v: in which."""

import pathlib
import re
import sys

TALKS = pathlib.Path(__file__).resolve().parent / "talks"

# What is said, as words; where a word alone would be found by chance, as a pattern behind "~".
NAMES = {
    "imap": """
        CAPABILITY NOOP LOGOUT ID STARTTLS AUTHENTICATE LOGIN ENABLE SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE
        UNSUBSCRIBE LIST LSUB XLIST NAMESPACE STATUS APPEND IDLE DONE NOTIFY CHECK CLOSE UNSELECT EXPUNGE SEARCH SORT
        THREAD FETCH STORE COPY MOVE COMPRESS UNAUTHENTICATE SETACL DELETEACL GETACL LISTRIGHTS MYRIGHTS GETQUOTA
        GETQUOTAROOT SETQUOTA GETMETADATA SETMETADATA REPLACE ESEARCH GENURLAUTH RESETKEY URLFETCH LANGUAGE
        COMPARATOR UIDBATCHES GETJMAPACCESS CATENATE CONDSTORE QRESYNC VANISHED CHANGEDSINCE UNCHANGEDSINCE MODSEQ
        HIGHESTMODSEQ UIDONLY PREAUTH BYE BODYSTRUCTURE ENVELOPE RFC822.SIZE RFC822.HEADER RFC822.TEXT BINARY.SIZE
        HEADER.FIELDS HEADER.FIELDS.NOT SAVEDATE EMAILID THREADID PREVIEW FUZZY PARTIAL SPECIAL-USE EXISTS RECENT UTF8=ACCEPT
        x-originating-ip ~S:.\\*.ID.\\( ~C:.\\S+.ID.\\(
        ~UID.FETCH ~UID.STORE ~UID.COPY ~UID.MOVE ~UID.EXPUNGE ~UID.SEARCH ~UID.SORT ~UID.THREAD ~UID.REPLACE
        ~BODY\\[\\] ~BODY\\.PEEK\\[ ~BODY\\[[0-9.]+\\] ~BODY[^]]*\\[[0-9.]+\\.MIME\\] ~BODY\\[\\]<[0-9]+>
        ~BINARY\\[ ~BINARY\\.PEEK\\[ ~\\{[0-9]+\\} ~\\{[0-9]+\\+\\} ~\\~\\{[0-9]+ ~&[A-Za-z0-9+,]+- ~COMPRESS.DEFLATE
        ~APPEND.*\\)\\s*\\{[0-9]+""",
    "smtp": """
        HELO EHLO LHLO MAIL RCPT DATA BDAT LAST RSET NOOP QUIT VRFY EXPN HELP AUTH STARTTLS ETRN ATRN TURN SEND
        XCLIENT XFORWARD BURL SIZE BODY=8BITMIME BODY=BINARYMIME SMTPUTF8 RET ENVID NOTIFY ORCPT PRDR
        REQUIRETLS HOLDFOR HOLDUNTIL BY MT-PRIORITY RRVS CONPERM SOLICIT PIPELINING CHUNKING ~250.DSN""",
    "pop3": "USER PASS APOP AUTH STLS CAPA STAT LIST LAST RETR TOP UIDL DELE RSET NOOP QUIT LANG UTF8 XCLIENT",
    "sieve": """
        AUTHENTICATE STARTTLS CAPABILITY LOGOUT HAVESPACE PUTSCRIPT LISTSCRIPTS SETACTIVE GETSCRIPT DELETESCRIPT
        RENAMESCRIPT CHECKSCRIPT NOOP UNAUTHENTICATE XCLIENT redirect""",
    # SASL, on each of the four.
    **{f"{protocol} ": "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 NTLM GSSAPI GS2-KRB5 EXTERNAL XOAUTH2 OAUTHBEARER ANONYMOUS"
       for protocol in ("imap", "smtp", "pop3", "sieve")},
}

talks = {path.name: "\n".join(line for line in path.read_text().splitlines() if re.match("[CS][:|*~]", line))
         for path in sorted(TALKS.glob("*.talk"))}
missing = 0
for protocol, names in NAMES.items():
    of_it = {name: said for name, said in talks.items() if name.startswith(protocol.strip() + "_")}
    for name in names.split():
        pattern = name[1:] if name.startswith("~") else rf"(?<![\w.-]){re.escape(name)}(?![\w.-])"
        found = [talk for talk, said in of_it.items() if re.search(pattern, said)]
        if not found:
            missing += 1
            print(f"{protocol.strip()}: no talk says {name}")
        elif "-v" in sys.argv:
            print(f"{protocol.strip()} {name}: {', '.join(found[:4])}")
print(f"{len(talks)} talks, {sum(len(names.split()) for names in NAMES.values())} names, {missing} of them in none")
sys.exit(missing > 0)
