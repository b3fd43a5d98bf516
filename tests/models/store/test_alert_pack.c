// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Open episodes as the store keeps them: today's layout, and those before it.

#include "../desk.h"
#include "store/alert_pack.h"

static const struct alert_technique technique
	= {"TA0009", "Collection", "T1114", "Email Collection", NULL, NULL};

// What layouts 1 and 2 had behind the node: an alert without what a campaign shares; then the subject.
enum { OLD_END = offsetof(struct episode, alert.campaign.networks_total) };

static void episode_make(struct episode *episode) {
	struct alert *alert = &episode->alert;
	memset(episode, 0, sizeof(*episode));
	episode->kind = EPISODE_CAMPAIGN;
	episode->told_ns = START;
	episode->size = 11;
	episode->subject = 0x1122334455667788;
	alert->rule_id = "campaign";
	alert->rule_name = "Several";
	alert->category = "account-takeover";
	alert->techniques[0] = &technique;
	alert->n_evidence = 1;
	alert->evidence[0].channel = "campaign";
	strcpy(alert->message, "6 mailboxes");
	alert->campaign.id = 7;
	alert->campaign.size = 6;
	alert->campaign.since_ns = START;
	alert->campaign.n_networks = 1;
	alert->campaign.networks_total = 2;
	alert->campaign.networks[0] = (struct alert_network){{{5, 101, 7}, 4}, 24};
	alert->campaign.n_grammars = alert->campaign.grammars_total = 1;
	alert->campaign.grammars[0] = 0x2ca51e00;
}

// The image that an older program would have written. Returns its size.
static size_t older(const uint8_t *image, size_t size, uint16_t layout, uint8_t *old) {
	size_t n = OLD_END, texts = size - sizeof(struct episode);
	memcpy(old, image, OLD_END);
	if (layout == 2) {
		memcpy(old + n, image + offsetof(struct episode, subject), sizeof(uint64_t));
		n += sizeof(uint64_t);
	}
	memcpy(old + n, image + sizeof(struct episode), texts);
	return n + texts;
}

static void an_episode_comes_back_as_it_was(void **) {
	static struct episode was, is;
	static uint8_t image[EPISODE_PACKED_MAX];
	episode_make(&was);
	size_t size = episode_pack(&was, image);
	assert_true(episode_unpack(NULL, EPISODE_LAYOUT, image, size, &is));
	assert_string_equal(is.alert.rule_id, "campaign");
	assert_string_equal(is.alert.evidence[0].channel, "campaign");
	assert_string_equal(is.alert.techniques[0]->id, "T1114");
	assert_null(is.alert.techniques[0]->sub_id);
	assert_memory_equal(&is.alert.campaign, &was.alert.campaign, sizeof(was.alert.campaign));
	assert_true(is.subject == was.subject && is.size == was.size);
}

static void older_layouts_are_understood(void **) {
	static struct episode was, is;
	static uint8_t image[EPISODE_PACKED_MAX], old[EPISODE_PACKED_MAX];
	episode_make(&was);
	size_t size = episode_pack(&was, image), texts = size - sizeof(was);
	for (uint16_t layout = 1; layout <= 2; layout++) {
		size_t n = older(image, size, layout, old);
		memset(&is, 0, sizeof(is));
		assert_true(episode_unpack(NULL, layout, old, n, &is));
		assert_string_equal(is.alert.message, "6 mailboxes");
		assert_string_equal(is.alert.rule_name, "Several");
		assert_string_equal(is.alert.techniques[0]->id, "T1114");
		assert_int_equal(is.alert.campaign.size, 6);
		assert_true(is.alert.campaign.since_ns == START);
		assert_int_equal(is.alert.campaign.n_networks, 0);
		assert_int_equal(is.alert.campaign.grammars_total, 0);
		assert_true(is.subject == (layout == 2 ? was.subject : 0));
		// Cut anywhere before its texts it is none.
		for (size_t cut = 0; cut < n - texts; cut += 7)
			assert_false(episode_unpack(NULL, layout, old, cut, &is));
	}
}

static void what_no_program_wrote_is_refused(void **) {
	static struct episode was, is;
	static uint8_t image[EPISODE_PACKED_MAX], changed[EPISODE_PACKED_MAX];
	episode_make(&was);
	size_t size = episode_pack(&was, image);
	assert_false(episode_unpack(NULL, 0, image, size, &is));
	assert_false(episode_unpack(NULL, EPISODE_LAYOUT + 1, image, size, &is));
	for (int fault = 0; fault < 5; fault++) {
		static struct episode bad;
		memcpy(&bad, image, sizeof(bad));
		struct alert *alert = &bad.alert;
		if (fault == 0)
			alert->campaign.n_networks = ALERT_SHARED_MAX + 1;
		else if (fault == 1)
			alert->campaign.n_grammars = ALERT_SHARED_MAX + 1;
		else if (fault == 2)
			alert->campaign.networks[0].bits = 33;
		else if (fault == 3)
			alert->campaign.networks[0].ip.family = 5;
		else
			memset(alert->message, 'x', sizeof(alert->message));
		memcpy(changed, image, size);
		memcpy(changed, &bad, sizeof(bad));
		assert_false(episode_unpack(NULL, EPISODE_LAYOUT, changed, size, &is));
	}
	assert_true(episode_unpack(NULL, EPISODE_LAYOUT, image, size, &is));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_episode_comes_back_as_it_was),
		cmocka_unit_test(older_layouts_are_understood),
		cmocka_unit_test(what_no_program_wrote_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
