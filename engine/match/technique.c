// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Names as in ATT&CK for Enterprise, version 16. A technique that serves several tactics stands under
// the one that mail shows.

#include "match/technique.h"

#include <stdio.h>
#include <string.h>

#define COLLECTION "TA0009", "Collection"
#define CREDENTIAL_ACCESS "TA0006", "Credential Access"
#define DEFENSE_EVASION "TA0005", "Defense Evasion"
#define EXFILTRATION "TA0010", "Exfiltration"
#define EXECUTION "TA0002", "Execution"
#define IMPACT "TA0040", "Impact"
#define INITIAL_ACCESS "TA0001", "Initial Access"
#define LATERAL_MOVEMENT "TA0008", "Lateral Movement"

static const struct alert_technique techniques[] = {
	{INITIAL_ACCESS, "T1078", "Valid Accounts", NULL, NULL},
	{INITIAL_ACCESS, "T1190", "Exploit Public-Facing Application", NULL, NULL},
	{IMPACT, "T1499", "Endpoint Denial of Service", NULL, NULL},
	{INITIAL_ACCESS, "T1566", "Phishing", NULL, NULL},
	{INITIAL_ACCESS, "T1566", "Phishing", "T1566.001", "Spearphishing Attachment"},
	{INITIAL_ACCESS, "T1566", "Phishing", "T1566.002", "Spearphishing Link"},
	{EXECUTION, "T1204", "User Execution", NULL, NULL},
	{EXECUTION, "T1204", "User Execution", "T1204.002", "Malicious File"},
	{DEFENSE_EVASION, "T1027", "Obfuscated Files or Information", NULL, NULL},
	{DEFENSE_EVASION,
	 "T1027",
	 "Obfuscated Files or Information",
	 "T1027.013",
	 "Encrypted/Encoded File"},
	{DEFENSE_EVASION, "T1036", "Masquerading", NULL, NULL},
	{DEFENSE_EVASION, "T1036", "Masquerading", "T1036.007", "Double File Extension"},
	{CREDENTIAL_ACCESS, "T1003", "OS Credential Dumping", NULL, NULL},
	{CREDENTIAL_ACCESS, "T1003", "OS Credential Dumping", "T1003.001", "LSASS Memory"},
	{CREDENTIAL_ACCESS,
	 "T1003",
	 "OS Credential Dumping",
	 "T1003.002",
	 "Security Account Manager"},
	{CREDENTIAL_ACCESS, "T1003", "OS Credential Dumping", "T1003.003", "NTDS"},
	{CREDENTIAL_ACCESS,
	 "T1003",
	 "OS Credential Dumping",
	 "T1003.008",
	 "/etc/passwd and /etc/shadow"},
	{CREDENTIAL_ACCESS, "T1110", "Brute Force", NULL, NULL},
	{CREDENTIAL_ACCESS, "T1110", "Brute Force", "T1110.001", "Password Guessing"},
	{CREDENTIAL_ACCESS, "T1110", "Brute Force", "T1110.003", "Password Spraying"},
	{CREDENTIAL_ACCESS, "T1110", "Brute Force", "T1110.004", "Credential Stuffing"},
	{CREDENTIAL_ACCESS, "T1557", "Adversary-in-the-Middle", NULL, NULL},
	{CREDENTIAL_ACCESS, "T1528", "Steal Application Access Token", NULL, NULL},
	{CREDENTIAL_ACCESS, "T1552", "Unsecured Credentials", NULL, NULL},
	{CREDENTIAL_ACCESS, "T1552", "Unsecured Credentials", "T1552.001", "Credentials In Files"},
	{CREDENTIAL_ACCESS, "T1552", "Unsecured Credentials", "T1552.004", "Private Keys"},
	{CREDENTIAL_ACCESS, "T1552", "Unsecured Credentials", "T1552.008", "Chat Messages"},
	{LATERAL_MOVEMENT, "T1534", "Internal Spearphishing", NULL, NULL},
	{COLLECTION, "T1114", "Email Collection", NULL, NULL},
	{COLLECTION, "T1114", "Email Collection", "T1114.001", "Local Email Collection"},
	{COLLECTION, "T1114", "Email Collection", "T1114.002", "Remote Email Collection"},
	{COLLECTION, "T1114", "Email Collection", "T1114.003", "Email Forwarding Rule"},
	{COLLECTION, "T1213", "Data from Information Repositories", NULL, NULL},
	{COLLECTION, "T1560", "Archive Collected Data", NULL, NULL},
	{COLLECTION, "T1560", "Archive Collected Data", "T1560.001", "Archive via Utility"},
	{EXFILTRATION, "T1041", "Exfiltration Over C2 Channel", NULL, NULL},
	{EXFILTRATION, "T1048", "Exfiltration Over Alternative Protocol", NULL, NULL},
	{EXFILTRATION,
	 "T1048",
	 "Exfiltration Over Alternative Protocol",
	 "T1048.003",
	 "Exfiltration Over Unencrypted Non-C2 Protocol"},
	{EXFILTRATION, "T1567", "Exfiltration Over Web Service", NULL, NULL},
};

enum { TECHNIQUES = sizeof(techniques) / sizeof(techniques[0]) };

static const char *technique_id(const struct alert_technique *technique) {
	return technique->sub_id != NULL ? technique->sub_id : technique->id;
}

const struct alert_technique *technique_find(const char *id) {
	for (int i = 0; i < TECHNIQUES; i++)
		if (strcmp(technique_id(&techniques[i]), id) == 0)
			return &techniques[i];
	return NULL;
}

const char *technique_list(char *buffer, size_t size) {
	size_t used = 0;

	buffer[0] = '\0';
	for (int i = 0; i < TECHNIQUES && used < size; i++)
		used += (size_t)snprintf(
			buffer + used,
			size - used,
			"%s%s",
			i > 0 ? ", " : "",
			technique_id(&techniques[i])
		);
	return buffer;
}
