// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Random numbers of the simulator and of the bootstrap. Every use has a stream of its own, made from
// what it is for (seed, account, day, purpose): what happens to one account on one day does not change
// when another draws more, and a population with attacks is else the one without.

#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

// Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
static inline uint64_t rng_mix(uint64_t z) {
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static inline uint64_t rng_next(struct rng *rng) {
	return rng_mix(rng->state += 0x9e3779b97f4a7c15);
}

// A number that hangs on its arguments alone.
static inline uint64_t rng_hash(uint64_t seed, uint64_t a, uint64_t b) {
	return rng_mix(rng_mix(rng_mix(seed + 0x9e3779b97f4a7c15) ^ a) + b * 0xd1342543de82ef95);
}

static inline struct rng rng_of(uint64_t seed, uint64_t purpose, uint64_t a, uint64_t b) {
	return (struct rng){rng_hash(rng_hash(seed, purpose, a), b, 1)};
}

// [0, 1)
static inline double rng_unit(struct rng *rng) {
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

static inline double rng_between(struct rng *rng, double low, double high) {
	return low + (high - low) * rng_unit(rng);
}

static inline uint32_t rng_below(struct rng *rng, uint32_t n) {
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

static inline bool rng_chance(struct rng *rng, double p) {
	return rng_unit(rng) < p;
}

static inline double rng_normal(struct rng *rng, double mean, double sd) {
	double u = 1 - rng_unit(rng);

	return mean + sd * sqrt(-2 * log(u)) * cos(6.283185307179586 * rng_unit(rng));
}

static inline double rng_lognormal(struct rng *rng, double median, double sigma) {
	return median * exp(rng_normal(rng, 0, sigma));
}

static inline double rng_exponential(struct rng *rng, double mean) {
	return -mean * log(1 - rng_unit(rng));
}

static inline double rng_pareto(struct rng *rng, double least, double alpha, double most) {
	double x = least * pow(1 - rng_unit(rng), -1 / alpha);

	return x < most ? x : most;
}

// By inversion where the mean is small, else by the normal law.
static inline uint32_t rng_poisson(struct rng *rng, double mean) {
	if (mean > 30) {
		double x = rng_normal(rng, mean, sqrt(mean));
		return x > 0 ? (uint32_t)(x + .5) : 0;
	}
	double p = exp(-mean), u = rng_unit(rng);
	uint32_t k = 0;
	for (double sum = p; u > sum && k < 200; sum += p)
		p *= mean / ++k;
	return k;
}

// Marsaglia and Tsang (ACM TOMS 2000), scale 1.
static inline double rng_gamma(struct rng *rng, double shape) {
	if (shape < 1)
		return rng_gamma(rng, shape + 1) * pow(1 - rng_unit(rng), 1 / shape);
	double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
	for (;;) {
		double x = rng_normal(rng, 0, 1), v = 1 + c * x;
		if (v <= 0)
			continue;
		v = v * v * v;
		if (log(1 - rng_unit(rng)) < .5 * x * x + d - d * v + d * log(v))
			return d * v;
	}
}

// Negative binomial of that mean; k is its dispersion (index of dispersion 1 + mean / k).
static inline uint32_t rng_nb(struct rng *rng, double mean, double k) {
	return mean > 0 ? rng_poisson(rng, rng_gamma(rng, k) * mean / k) : 0;
}
