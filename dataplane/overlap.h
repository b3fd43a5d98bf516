// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who wins where bytes come twice with different content, in TCP and in IP fragments. Hosts disagree, which
// is what such bytes are sent for; whichever is chosen here, a difference is always stated as an event.

#pragma once

enum overlap {
	OVERLAP_FIRST, // what came first
	OVERLAP_LAST, // what came last, as long as it has not been delivered
	OVERLAP_LINUX,
	OVERLAP_WINDOWS,
};
