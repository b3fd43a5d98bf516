// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The words of alerts about single deeds.

#include "text.h"
#include "watch_text.h"

#include <stdio.h>
#include <string.h>

static const struct alert_technique FORWARDING = {
	"TA0009",
	"Collection",
	"T1114",
	"Email Collection",
	"T1114.003",
	"Email Forwarding Rule",
};
static const struct alert_technique EXFILTRATION
	= {"TA0010", "Exfiltration", "T1048", "Exfiltration Over Alternative Protocol", NULL, NULL};
static const struct alert_technique INJECTION
	= {"TA0008", "Lateral Movement", "T1534", "Internal Spearphishing", NULL, NULL};
static const struct alert_technique DELEGATION = {
	"TA0003",
	"Persistence",
	"T1098",
	"Account Manipulation",
	"T1098.002",
	"Additional Email Delegate Permissions",
};

static const struct words {
	const char *rule_id, *rule_name, *category, *channel;
	const struct alert_technique *technique;
	const char *what; // between the account's name and what it is about
	const char *advice;
	const char *usual;
} words[DEEDS] = {
	[DEED_FORWARD] = {
		"new-forwarding",
		"Mail forwarded outside by a new rule",
		"exfiltration",
		"forwarding",
		&FORWARDING,
		"a filter rule now forwards mail to ",
		"Ask its owner whether the rule is his; if not, remove it and change the password.",
		"no such forwarding",
	},
	[DEED_FORWARD_STRANGER] = {
		"new-forwarding",
		"Mail forwarded outside by a stranger's rule",
		"exfiltration",
		"forwarding",
		&FORWARDING,
		"a filter rule, set from where the account is not at home, now forwards mail to ",
		"Remove the rule, change the password and look at what was sent there.",
		"no such forwarding",
	},
	[DEED_SINK] = {
		"constant-copies",
		"Copies of mail sent to one new address outside",
		"exfiltration",
		"sending",
		&EXFILTRATION,
		"one message after the other goes to an address it did not write to before: ",
		"Ask its owner; if it is not his doing, look for forwarding in his mail programs and "
		"change the password.",
		"no such recipient",
	},
	[DEED_SINK_STRANGER] = {
		"constant-copies",
		"Copies of mail sent to one new address outside by somebody else",
		"exfiltration",
		"sending",
		&EXFILTRATION,
		"one message after the other goes, from where the account is not at home, to an "
		"address it did not write to before: ",
		"Change the password and look at what was sent there, unless it was its owner.",
		"no such recipient",
	},
	[DEED_FILING] = {
		"append-injection",
		"Messages put into an inbox by somebody else",
		"account-takeover",
		"filing",
		&INJECTION,
		"messages were put into the inbox without being sent",
		"Do not trust them; look at who they claim to be from, and change the password.",
		"mail arrives by delivery",
	},
	[DEED_OTHERS] = {
		"cross-mailbox-reading",
		"Other people's mailboxes opened for the first time",
		"collection",
		"others",
		&TECHNIQUE_COLLECTION,
		"opened mailboxes of other people that it never opened before, the last one ",
		"Ask its owner; look at who gave it the rights, and take back what is not needed.",
		"its own mailboxes",
	},
	[DEED_COLD] = {
		"first-use-copy",
		"Mailbox copied on its first use",
		"account-takeover",
		"cold-start",
		&TECHNIQUE_COLLECTION,
		"it was not used before, and its first use was to copy it, through a network or by a "
		"client that hardly anybody else here uses",
		"Ask its owner; if it was not he, end the sessions, change the password and look at what "
		"was read.",
		"first used as others are",
	},
	[DEED_RIGHTS] = {
		"new-delegate",
		"Rights on a mailbox given by somebody else",
		"persistence",
		"rights",
		&DELEGATION,
		"rights on a mailbox were given, from where the account is not at home, to ",
		"Take the rights back unless its owner gave them, and change the password.",
		"no such rights",
	},
};

void text_deed(
	const struct watch *watch,
	const struct visit *visit,
	enum deed deed,
	const char *what,
	double nats,
	struct alert *alert
) {
	const struct words *w = &words[deed];
	bool stranger = !visit_is_home(visit) || deed == DEED_COLD;
	if (deed == DEED_RIGHTS)
		what = visit->activity->acl[0];
	text_fill(watch, visit, nats, alert);
	alert->threshold = watch->nominal;
	alert->rule_id = w->rule_id;
	alert->rule_name = w->rule_name;
	alert->category = w->category;
	alert->severity = stranger ? ALERT_HIGH : ALERT_MEDIUM;
	alert->techniques[0] = w->technique;
	alert->techniques[1] = stranger ? &TECHNIQUE_VALID : NULL;
	struct text text = {alert->message, sizeof(alert->message)};
	say_name(&text, visit->activity->account);
	say(&text, ": %s", w->what);
	say_name(&text, what);
	say(&text, " (from ");
	say_address(&text, &visit->activity->source.ip);
	say(&text, "). %s", w->advice);
	struct text sentence;
	struct alert_evidence *e = text_evidence(alert, w->channel, nats, &sentence);
	say(&sentence,
	    "Of all accounts on all days, about one in %.0f does this; ",
	    (watch->fleet->account_days + 14000) / (watch->fleet->deeds[deed] + 1));
	say(&sentence,
	    "it came from %s.",
	    deed == DEED_COLD  ? "where hardly anybody is at home"
		    : stranger ? "where the account is not at home"
			       : "where the account is at home");
	snprintf(
		e->seen,
		sizeof(e->seen),
		"%.44s",
		what[0]			    ? what
			: deed == DEED_COLD ? "a copy of the mailbox"
					    : "messages in the inbox"
	);
	text_cut(e->seen, strlen(e->seen));
	snprintf(e->usual, sizeof(e->usual), "%s", w->usual);
}
