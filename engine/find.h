// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// Where in mail the next byte stands that needs thought: three searches at memory speed, since what lies
// between is passed on as it is. Each has its plain version beside it, which is what it means and what
// it is tested against. Pure, total; the cost is linear in what they return.

#pragma once

#include <stddef.h>
#include <stdint.h>

// SMTP's DATA, from the middle of a line (the byte before is no CR): the first CR without LF, LF without
// CR, or LF with a dot or NUL behind it; a CR or LF at the very end, of which that is not known; else size.
size_t find_odd_line_end(const uint8_t *data, size_t size);
size_t find_odd_line_end_plain(const uint8_t *data, size_t size);

// Quoted-printable: the first =, CR or LF; else size.
size_t find_qp_special(const uint8_t *data, size_t size);
size_t find_qp_special_plain(const uint8_t *data, size_t size);

// MIME bodies: the first - at the start of a line, that is behind LF; else size.
size_t find_line_dash(const uint8_t *data, size_t size);
size_t find_line_dash_plain(const uint8_t *data, size_t size);
