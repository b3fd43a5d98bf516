// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// What was copied last is still in the vector registers, and a core file has them: base64 of a password was
// found there. For where a thread is about to wait; some forty instructions.

#pragma once

static inline void registers_wipe(void) {
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroall" ::
					 : "xmm0",
					   "xmm1",
					   "xmm2",
					   "xmm3",
					   "xmm4",
					   "xmm5",
					   "xmm6",
					   "xmm7",
					   "xmm8",
					   "xmm9",
					   "xmm10",
					   "xmm11",
					   "xmm12",
					   "xmm13",
					   "xmm14",
					   "xmm15");
		// The C library copies through these where they are there, and no vzeroall reaches them. The
		// compiler uses none of them without being told to.
#define WIPE(n) "vpxord %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n\t"
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile(WIPE(16) WIPE(17) WIPE(18) WIPE(19) WIPE(20) WIPE(21) WIPE(22)
					 WIPE(23) WIPE(24) WIPE(25) WIPE(26) WIPE(27) WIPE(28)
						 WIPE(29) WIPE(30) WIPE(31)::);
#undef WIPE
#endif
}
