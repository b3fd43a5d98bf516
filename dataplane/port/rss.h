// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Keys for receive-side scaling under which both directions of a connection have the same Toeplitz hash.
//
// The hash of a tuple is the sum, over GF(2), of the key's 32-bit windows at its set bits. With a key that
// repeats every 16 bits a window depends on its position modulo 16 alone, and swapping source and
// destination moves bits by multiples of 16 (Woo and Park, "Scalable TCP session monitoring with
// symmetric receive-side scaling", 2012). Of an odd number of ones in those 16 bits follows that no two of
// their sums are equal: the hash then takes all 65,536 values that it can.
//
// The published key of that paper lets anybody aim connections at one queue; one drawn at each start does
// not, but whoever keeps the sum of all 16-bit words of his tuples equal still can. That is why the load of
// each queue is counted and told (stats).

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RSS_KEY_MAX = 64, RSS_OWNERS = 65536 };

// Fills key from 16 random bits, one of which may be changed to make their ones odd in number.
void rss_key_make(uint16_t random, uint8_t *key, size_t size);
// Whether both directions of any IPv4 and IPv6 connection hash the same under the key, as a NIC computes it.
bool rss_key_is_symmetric(const uint8_t *key, size_t size);
// Whether it repeats every 16 bits, as those made here do: then it is symmetric, and the hash depends on the sum of the
// tuple's 16-bit words alone.
bool rss_key_repeats(const uint8_t *key, size_t size);
// The queue of each sum of words, under such a key, by the NIC's table of n_entries (a power of 2): 65,536 of them.
void rss_owners(const uint8_t *key, const uint16_t *table, size_t n_entries, uint8_t *owners);
// The hash of size bytes (of at most key size − 4): source address, destination address, ports.
uint32_t rss_hash(const uint8_t *key, const uint8_t *data, size_t size);
