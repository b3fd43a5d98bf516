// SPDX-License-Identifier: BSD-3-Clause
// Copyright (c) 2026, the Postern authors

// The program's commands, one file each. Each gets a configuration that was read without a mistake
// and returns the exit status.

#pragma once

#include "config.h"
#include "pipeline.h"

enum exit_status cmd_replay(const struct config *config);
enum exit_status cmd_run(const struct config *config);
enum exit_status cmd_score(const struct config *config);
enum exit_status cmd_check(const struct config *config);
enum exit_status cmd_account(const struct config *config);
enum exit_status cmd_ctl(const struct config *config);
