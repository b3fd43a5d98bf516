// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

#include "store/page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// The format, as liblmdb 0.9 has it on machines with 64-bit words.
#define META_MAGIC 0xbeefc0deu
#define NO_PAGE UINT64_MAX

enum {
	META_VERSION = 1,
	PAGE_BRANCH = 0x01,
	PAGE_LEAF = 0x02,
	PAGE_OVERFLOW = 0x04,
	PAGE_META = 0x08,
	PAGE_KIND = 0x6f, // the bits that say what a page is
	NODE_BIG = 0x01, // the value lies on overflow pages
	DEPTH_MAX = 32,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 32768,
	METAS = 2,
};

struct head {
	uint64_t number;
	uint16_t pad, flags;
	union {
		struct {
			uint16_t lower, upper; // of what is free between pointers and nodes
		};
		uint32_t n_pages; // overflow
	};
};

struct tree {
	uint32_t pad; // of the first one: the page size
	uint16_t flags, depth;
	uint64_t n_branch, n_leaf, n_overflow, n_entries;
	uint64_t root;
};

struct meta {
	struct head head;
	uint32_t magic, version;
	uint64_t address, map_size;
	struct tree tree[2]; // free pages, values
	uint64_t last_page, txn;
};

struct node {
	uint16_t low, high; // of the value's size, or the page
	uint16_t flags, key_size;
	uint8_t data[];
};

enum { TREE_FREE, TREE_MAIN };

struct check {
	const uint8_t *file;
	size_t size;
	size_t page_size;
	uint64_t n_pages; // of the transaction
	uint8_t *used; // a bit for each
	bool is_lenient; // goes on after what is broken
	bool is_broken;
	char *why;
	size_t why_size;
	int which; // tree
	struct tree found;
	void (*each)(void *ctx, const void *key, size_t key_size, const void *value, size_t size);
	void *ctx;
};

struct key {
	const uint8_t *data; // NULL: no bound
	size_t size;
};

__attribute__((format(printf, 2, 3))) static bool broken(struct check *c, const char *format, ...) {
	va_list args;
	if (!c->is_broken) {
		va_start(args, format);
		vsnprintf(c->why, c->why_size, format, args);
		va_end(args);
	}
	c->is_broken = true;
	return false;
}

// ---- Pages

// n pages from number on are used, for the first time.
static bool pages_use(struct check *c, uint64_t number, uint64_t n) {
	if (number < METAS || number >= c->n_pages || n > c->n_pages - number || n == 0
	    || (number + n) * c->page_size > c->size)
		return broken(c, "page %llu is beyond its end", (unsigned long long)number);
	for (uint64_t i = number; i < number + n; i++) {
		if (c->used[i / 8] & 1 << i % 8)
			return broken(c, "page %llu is used twice", (unsigned long long)i);
		c->used[i / 8] |= 1 << i % 8;
	}
	return true;
}

static const struct head *page_at(const struct check *c, uint64_t number) {
	return (const struct head *)(c->file + number * c->page_size);
}

static uint16_t n_nodes(const struct head *page) {
	return (page->lower - sizeof(struct head)) / 2;
}

// Where on the page a node is: a list behind the head.
static uint16_t node_offset(const struct head *page, uint16_t i) {
	return ((const uint16_t *)(page + 1))[i];
}

static const struct node *node_at(const struct head *page, uint16_t i) {
	return (const struct node *)((const uint8_t *)page + node_offset(page, i));
}

static uint32_t value_size(const struct node *node) {
	return node->low | (uint32_t)node->high << 16;
}

static uint64_t child_of(const struct node *node) {
	return node->low | (uint64_t)node->high << 16 | (uint64_t)node->flags << 32;
}

// A node's bytes on its page.
static size_t node_size(const struct node *node, bool is_leaf) {
	size_t size = sizeof(*node) + node->key_size;
	if (is_leaf)
		size += node->flags & NODE_BIG ? sizeof(uint64_t) : value_size(node);
	return (size + 1) & ~(size_t)1;
}

static bool nodes_check(struct check *c, const struct head *page, bool is_leaf) {
	size_t sum = 0;
	unsigned long long number = page->number;
	if (page->lower < sizeof(*page) || page->lower % 2 || page->lower > page->upper
	    || page->upper > c->page_size)
		return broken(c, "page %llu has wrong bounds", number);
	for (uint16_t i = 0; i < n_nodes(page); i++) {
		size_t at = node_offset(page, i);
		if (at < page->upper || at % 2 || at + sizeof(struct node) > c->page_size
		    || node_size(node_at(page, i), is_leaf) > c->page_size - at)
			return broken(c, "page %llu: entry %u is not on it", number, i);
		if (is_leaf && (node_at(page, i)->flags & ~NODE_BIG))
			return broken(c, "page %llu: entry %u is of no known kind", number, i);
		sum += node_size(node_at(page, i), is_leaf);
	}
	if (sum != c->page_size - page->upper)
		return broken(c, "page %llu: its entries overlap", number);
	return true;
}

static const struct head *page_take(struct check *c, uint64_t number, int kind) {
	if (!pages_use(c, number, 1))
		return NULL;
	const struct head *page = page_at(c, number);
	if (page->number != number || (page->flags & PAGE_KIND) != kind) {
		broken(c, "page %llu is another", (unsigned long long)number);
		return NULL;
	}
	return nodes_check(c, page, kind == PAGE_LEAF) ? page : NULL;
}

// ---- Keys

static struct key key_of(const struct node *node) {
	return (struct key){node->data, node->key_size};
}

static int key_compare(const struct check *c, struct key a, struct key b) {
	if (c->which == TREE_FREE) {
		uint64_t x, y;
		memcpy(&x, a.data, sizeof(x));
		memcpy(&y, b.data, sizeof(y));
		return x < y ? -1 : x > y;
	}
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return order ? order : a.size < b.size ? -1 : a.size > b.size;
}

// Keys rise, from low on, and stay below high. A branch's first key stands for whatever is before.
static bool keys_check(
	struct check *c,
	const struct head *page,
	bool is_leaf,
	struct key low,
	struct key high
) {
	for (uint16_t i = !is_leaf; i < n_nodes(page); i++) {
		struct key key = key_of(node_at(page, i));
		bool right = c->which == TREE_FREE ? key.size == sizeof(uint64_t)
						   : key.size > 0 && key.size <= 511;
		right = right && (!low.data || key_compare(c, low, key) <= (i == 0 ? 0 : -1));
		right = right && (!high.data || key_compare(c, key, high) < 0);
		if (!right)
			return broken(
				c,
				"page %llu: its keys are not in order",
				(unsigned long long)page->number
			);
		low = key;
	}
	return true;
}

// ---- Values

// The value of a leaf's node, or NULL.
static const uint8_t *value_of(struct check *c, const struct node *node) {
	uint64_t number, size = value_size(node);
	if (!(node->flags & NODE_BIG))
		return node->data + node->key_size;
	memcpy(&number, node->data + node->key_size, sizeof(number));
	uint64_t n = (sizeof(struct head) + size + c->page_size - 1) / c->page_size;
	if (!pages_use(c, number, n))
		return NULL;
	const struct head *page = page_at(c, number);
	if (page->number != number || (page->flags & PAGE_KIND) != PAGE_OVERFLOW
	    || page->n_pages != n) {
		broken(c, "page %llu is another", (unsigned long long)number);
		return NULL;
	}
	c->found.n_overflow += n;
	return (const uint8_t *)(page + 1);
}

// A list of free pages: how many, and then each, falling.
static bool free_check(struct check *c, const uint8_t *value, uint64_t size) {
	uint64_t n, number, before = NO_PAGE;
	memcpy(&n, value, size < sizeof(n) ? 0 : sizeof(n));
	if (size < sizeof(n) || n > size / sizeof(n) - 1)
		return broken(c, "a list of free pages is cut");
	for (uint64_t i = 1; i <= n; i++) {
		memcpy(&number, value + i * sizeof(n), sizeof(number));
		if (number >= before || number < METAS || number >= c->n_pages)
			return broken(c, "a list of free pages is not in order");
		if (c->used[number / 8] & 1 << number % 8)
			return broken(c, "page %llu is used and free", (unsigned long long)number);
		c->used[number / 8] |= 1 << number % 8;
		before = number;
	}
	return true;
}

static bool leaf_check(struct check *c, const struct head *page) {
	for (uint16_t i = 0; i < n_nodes(page); i++) {
		const struct node *node = node_at(page, i);
		const uint8_t *value = value_of(c, node);
		if (value && c->which == TREE_MAIN && c->each)
			c->each(c->ctx, node->data, node->key_size, value, value_size(node));
		if (!value || (c->which == TREE_FREE && !free_check(c, value, value_size(node)))) {
			if (!c->is_lenient)
				return false;
			continue;
		}
		c->found.n_entries++;
	}
	return true;
}

// ---- Trees

static bool
tree_check(struct check *c, uint64_t number, int depth, struct key low, struct key high) {
	bool is_leaf = depth == 1;
	const struct head *page = page_take(c, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH);
	if (!page || !keys_check(c, page, is_leaf, low, high))
		return false;
	if (is_leaf) {
		c->found.n_leaf++;
		return leaf_check(c, page);
	}
	c->found.n_branch++;
	if (n_nodes(page) < 2)
		return broken(c, "page %llu has no branches", (unsigned long long)number);
	for (uint16_t i = 0; i < n_nodes(page); i++) {
		struct key from = i ? key_of(node_at(page, i)) : low;
		struct key to = i + 1 < n_nodes(page) ? key_of(node_at(page, i + 1)) : high;
		if (!tree_check(c, child_of(node_at(page, i)), depth - 1, from, to)
		    && !c->is_lenient)
			return false;
	}
	return true;
}

static bool root_check(struct check *c, const struct tree *tree, int which) {
	c->which = which;
	c->found = (struct tree){0};
	if (tree->root == NO_PAGE)
		return (tree->depth == 0 && tree->n_entries == 0)
			|| broken(c, "a tree has lost its root");
	if (tree->depth < 1 || tree->depth > DEPTH_MAX)
		return broken(c, "a tree is %u pages deep", tree->depth);
	if (!tree_check(c, tree->root, tree->depth, (struct key){0}, (struct key){0}))
		return false;
	if (c->found.n_branch != tree->n_branch || c->found.n_leaf != tree->n_leaf
	    || c->found.n_overflow != tree->n_overflow || c->found.n_entries != tree->n_entries)
		return broken(c, "a tree does not have as many pages as it says");
	return true;
}

// ---- The file

static bool meta_is_right(const struct meta *meta, size_t number, size_t page_size) {
	return meta->head.number == number && (meta->head.flags & PAGE_KIND) == PAGE_META
		&& meta->magic == META_MAGIC && meta->version == META_VERSION
		&& meta->tree[TREE_FREE].pad == page_size;
}

// The newer of the two, which LMDB will follow; NULL when one of them is none.
static const struct meta *meta_find(struct check *c) {
	const struct meta *first = (const struct meta *)c->file, *second;
	size_t page_size = c->size < sizeof(*first) ? 0 : first->tree[TREE_FREE].pad;
	c->page_size = page_size;
	if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX || page_size & (page_size - 1)
	    || c->size < METAS * page_size) {
		broken(c, "it is no file of LMDB, or cut at its beginning");
		return NULL;
	}
	second = (const struct meta *)(c->file + page_size);
	if (!meta_is_right(first, 0, page_size) || !meta_is_right(second, 1, page_size)) {
		broken(c, "its first pages are not LMDB's");
		return NULL;
	}
	return second->txn > first->txn ? second : first;
}

static bool file_check(struct check *c) {
	const struct meta *meta = meta_find(c);
	if (!meta)
		return false;
	if (meta->last_page < METAS - 1 || meta->last_page > UINT64_MAX / 2 / c->page_size)
		return broken(c, "its number of pages is wrong");
	c->n_pages = meta->last_page + 1;
	// A number of pages that the file cannot hold is no reason to take memory for them.
	if (c->n_pages > 64 * (c->size / c->page_size) + 1024)
		return broken(c, "most of its pages are missing");
	c->used = calloc(1, c->n_pages / 8 + 1);
	if (!c->used) {
		errno = ENOMEM;
		return false;
	}
	// Values first: in a broken file they count.
	bool is_sound = root_check(c, &meta->tree[TREE_MAIN], TREE_MAIN)
		&& root_check(c, &meta->tree[TREE_FREE], TREE_FREE);
	free(c->used);
	return is_sound && !c->is_broken;
}

enum page_state page_check(const uint8_t *file, size_t size, char *why, size_t why_size) {
	struct check check = {.file = file, .size = size, .why = why, .why_size = why_size};
	if (size == 0 || file_check(&check))
		return PAGE_SOUND;
	if (check.is_broken)
		return PAGE_BROKEN;
	snprintf(why, why_size, "%s", strerror(ENOMEM));
	return PAGE_UNREADABLE;
}

// The file in memory, NULL and errno, or *size_r 0 when there is none.
static uint8_t *file_map(const char *path, size_t *size_r) {
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st = {0};
	uint8_t *file = NULL;
	*size_r = 0;
	if (fd < 0 && errno == ENOENT) {
		errno = 0;
		return NULL;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		goto out;
	errno = 0;
	*size_r = (size_t)st.st_size;
	if (st.st_size == 0)
		goto out;
	file = mmap(NULL, *size_r, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		file = NULL;
out:
	if (fd >= 0)
		close(fd);
	return file;
}

enum page_state page_check_file(const char *path, char *why, size_t why_size) {
	size_t size;
	uint8_t *file = file_map(path, &size);
	if (!file && errno == 0)
		return PAGE_SOUND;
	if (!file) {
		snprintf(why, why_size, "%s", strerror(errno));
		return PAGE_UNREADABLE;
	}
	enum page_state state = page_check(file, size, why, why_size);
	munmap(file, size);
	return state;
}

int page_rescue_file(
	const char *path,
	void (*each)(void *ctx, const void *key, size_t key_size, const void *value, size_t size),
	void *ctx,
	uint64_t *n_r
) {
	char why[200];
	struct check check = {
		.is_lenient = true,
		.each = each,
		.ctx = ctx,
		.why = why,
		.why_size = sizeof(why),
	};
	uint8_t *file = file_map(path, &check.size);
	*n_r = 0;
	if (!file)
		return -errno;
	check.file = file;
	const struct meta *meta = meta_find(&check);
	if (meta) {
		*n_r = meta->tree[TREE_MAIN].n_entries;
		check.is_broken = false;
		file_check(&check);
	}
	munmap(file, check.size);
	return 0;
}
