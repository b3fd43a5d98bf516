// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Who wins where bytes come twice with different content, in TCP and in IP fragments. Hosts disagree, which
// is what such bytes are sent for; whichever is chosen here, a difference is always stated as an event.
//
// In TCP this is about data that is held; what has been delivered stays, as it does in a host whose program has
// read it. Novak, Sturges 2007, and tcp_data_queue_ofo() of Linux 6.

#pragma once

// Where the urgent byte of a segment belongs (RFC 6093).
enum urgent {
	URGENT_INLINE, // into the stream, as for programs that ask for it (SO_OOBINLINE), telnetd among them
	// Beside it: programs that do not ask, which is mail servers, never read it. Beyond STREAM_URGENT_MAX of them it
	// is as for URGENT_GAP.
	URGENT_OOB,
	URGENT_GAP, // nobody knows: a hole of one byte in its place, so that no word is made of what is around it
};

enum overlap {
	OVERLAP_FIRST, // what came first
	OVERLAP_LAST, // what came last, as long as it has not been delivered
	OVERLAP_LINUX, // the segment that begins earlier; of two that begin alike the longer, else the first
	OVERLAP_WINDOWS, // the segment that begins earlier, else the first; so do the BSDs
};
