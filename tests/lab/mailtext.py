# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Postern authors

"""Synthetic mail: pseudo-Czech sentences, parts and attachments, the same for the same seed."""

import email.message
import email.policy
import email.utils
import random

WORDS = """zpráva úřad jednání příloha smlouva velvyslanectví delegace návrh stanovisko rozpočet
cesta ministr odbor schůzka prosím děkuji zítra dopoledne odpoledne pondělí středa pátek rada výbor
podpis žádost připomínka text verze tabulka opravte pošlete potvrďte tým hosté program zápis""".split()

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")
PDF = b"%PDF-1.4\n"


class Writer:
    """One seed, one stream of messages."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def sentence(self):
        words = [self.random.choice(WORDS) for _ in range(self.random.randint(4, 12))]
        return " ".join(words).capitalize() + "."

    def text(self, sentences):
        lines = [self.sentence() for _ in range(sentences)]
        return "\n".join(lines) + "\n"

    def message(self, sender, to, date, sentences=8, attachment=0, charset="utf-8", cte=None,
                body=None, subject=None):
        """A whole message as bytes with CRLF line ends. attachment: bytes of a file, 0 for none."""
        self.count += 1
        m = email.message.EmailMessage(policy=email.policy.SMTP)
        m["From"] = sender
        m["To"] = ", ".join(to)
        m["Subject"] = subject or self.sentence()[:60]
        m["Date"] = email.utils.format_datetime(
            email.utils.datetime.datetime.fromtimestamp(date, email.utils.datetime.timezone.utc))
        m["Message-ID"] = f"<{self.count}.{self.random.getrandbits(64):016x}@example.org>"
        m.set_content(body or self.text(sentences), charset=charset, cte=cte)
        if attachment:
            magic, kind, name = self.random.choice(
                [(PDF, "pdf", "zpráva č. 1.pdf"), (PNG, "octet-stream", "plan.png")])
            m.add_attachment(magic + self.random.randbytes(attachment), maintype="application",
                             subtype=kind, filename=name)
        return m.as_bytes()
