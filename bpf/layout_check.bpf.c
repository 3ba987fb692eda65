// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Never loaded: carries the type information of every shared structure for test/bpf/layout.test.ts. */
#include <linux/bpf.h>

#include "include/layout.h"

struct weir_tuple check_tuple;
struct weir_connection check_connection;
struct weir_ct_entry check_ct_entry;
struct weir_address check_address;
struct weir_endpoint check_endpoint;
struct weir_ipcache_key check_ipcache_key;
struct weir_policy_key check_policy_key;
struct weir_policy_entry check_policy_entry;
struct weir_config check_config;
struct weir_event check_event;
struct weir_endpoint_config check_endpoint_config;
struct weir_redirect_config check_redirect_config;
struct weir_end check_end;
enum weir_direction check_direction;
enum weir_verdict check_verdict;
enum weir_reason check_reason;
enum weir_constant check_constant;
enum weir_mark check_mark;
enum weir_endpoint_flag check_endpoint_flag;
enum weir_redirect check_redirect;
