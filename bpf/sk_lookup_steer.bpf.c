// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Decides which listener gets a SYN: the one that tc chose for the connection, whatever its destination. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "include/maps.h"
#include "include/parsing.h"
#include "include/steering.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/*
 * Runs at each listener lookup of the network namespace. No entry: an ordinary connection of the host, left
 * alone. An entry without a live listener: dropped, so that no service of the host answers in its place.
 */
SEC("sk_lookup")
int weir_steer(struct bpf_sk_lookup *ctx)
{
	struct weir_connection *connection;
	struct weir_tuple tuple = {};
	struct bpf_sock *listener;
	__u32 key;
	long error;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	if (ctx->family == AF_INET) {
		map_ipv4(tuple.source, ctx->remote_ip4);
		map_ipv4(tuple.destination, ctx->local_ip4);
		/* Keeps clang from merging the loads of both branches into one through a changed ctx pointer. */
		asm volatile("" ::: "memory");
		key = 0;
	} else {
		tuple.source[0] = ctx->remote_ip6[0];
		tuple.source[1] = ctx->remote_ip6[1];
		tuple.source[2] = ctx->remote_ip6[2];
		tuple.source[3] = ctx->remote_ip6[3];
		tuple.destination[0] = ctx->local_ip6[0];
		tuple.destination[1] = ctx->local_ip6[1];
		tuple.destination[2] = ctx->local_ip6[2];
		tuple.destination[3] = ctx->local_ip6[3];
		asm volatile("" ::: "memory");
		key = WEIR_LISTENER_IPV6;
	}
	tuple.source_port = ctx->remote_port;
	tuple.destination_port = bpf_htons(ctx->local_port);
	tuple.protocol = IPPROTO_TCP;

	connection = bpf_map_lookup_elem(&weir_conns, &tuple);
	if (!connection)
		return SK_PASS;
	key += connection->slot;
	listener = bpf_map_lookup_elem(&weir_listeners, &key);
	if (!listener)
		return SK_DROP;
	error = bpf_sk_assign(ctx, listener, 0);
	bpf_sk_release(listener);
	return error ? SK_DROP : SK_PASS;
}
