/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Redirect mode `nat`: the destination of a steered packet becomes the proxy, which dials from the node's own
 * address. The original destination is remembered by the client's end alone, for that is all that an answer of
 * the proxy carries: a client that uses one port for two servers has to wait for the first connection to end.
 */
#pragma once

#include <stddef.h>

#include "conntrack.h"

#define IPV4_CHECKSUM_OFFSET 10
#define TCP_CHECKSUM_OFFSET 16

static __always_inline void end_of(struct weir_end *out, const __be32 address[4], __be16 port)
{
	__builtin_memcpy(out->address, address, sizeof(out->address));
	out->port = port;
}

static __always_inline bool is_same_end(const struct weir_end *a, const struct weir_end *b)
{
	return a->address[0] == b->address[0] && a->address[1] == b->address[1] &&
	       a->address[2] == b->address[2] && a->address[3] == b->address[3] && a->port == b->port;
}

/* Where workers listen in this mode: addresses of weir0. */
static __always_inline void proxy_end(struct weir_end *out, bool is_ipv6)
{
	out->port = bpf_htons(WEIR_PROXY_PORT);
	if (is_ipv6) {
		out->address[0] = bpf_htonl(WEIR_NAT_IPV6_PREFIX);
		out->address[1] = bpf_htonl(WEIR_NAT_IPV6_REST);
		out->address[2] = 0;
		out->address[3] = bpf_htonl(1);
	} else {
		map_ipv4(out->address, bpf_htonl(WEIR_NAT_IPV4));
	}
}

/* One end of a TCP segment without IP options, and both checksums. */
static __always_inline int rewrite_end(struct __sk_buff *skb, bool is_ipv6, bool is_source,
				       const struct weir_end *from, const struct weir_end *to)
{
	__u32 l4 = ETH_HLEN + (is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	__u32 checksum = l4 + TCP_CHECKSUM_OFFSET;
	long error = 0;

	if (is_ipv6) {
		__u32 offset = ETH_HLEN + (is_source ? offsetof(struct ipv6hdr, saddr)
						     : offsetof(struct ipv6hdr, daddr));
		__s64 difference = bpf_csum_diff((__be32 *)from->address, sizeof(from->address),
						 (__be32 *)to->address, sizeof(to->address), 0);

		error |= bpf_l4_csum_replace(skb, checksum, 0, difference, BPF_F_PSEUDO_HDR);
		error |= bpf_skb_store_bytes(skb, offset, to->address, sizeof(to->address), 0);
	} else {
		__u32 offset = ETH_HLEN +
			       (is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr));

		error |= bpf_l4_csum_replace(skb, checksum, from->address[3], to->address[3],
					     BPF_F_PSEUDO_HDR | sizeof(__be32));
		error |= bpf_l3_csum_replace(skb, ETH_HLEN + IPV4_CHECKSUM_OFFSET, from->address[3],
					     to->address[3], sizeof(__be32));
		error |= bpf_skb_store_bytes(skb, offset, &to->address[3], sizeof(__be32), 0);
	}
	error |= bpf_l4_csum_replace(skb, checksum, from->port, to->port, sizeof(__be16));
	error |=
		bpf_skb_store_bytes(skb, l4 + (is_source ? 0 : sizeof(__be16)), &to->port, sizeof(__be16), 0);
	return error ? WEIR_REASON_MALFORMED_PACKET : WEIR_REASON_NONE;
}

/* Does the client still speak with this other server from the same port? */
static __always_inline bool is_speaking(const struct packet *packet, const struct weir_end *server)
{
	struct weir_tuple tuple = packet->tuple;
	struct weir_ct_entry *flow;

	__builtin_memcpy(tuple.destination, server->address, sizeof(tuple.destination));
	tuple.destination_port = server->port;
	flow = ct_lookup(&tuple, bpf_ktime_get_ns());
	return flow && !(flow->flags & (WEIR_CT_FIN_ORIGINAL | WEIR_CT_RESET));
}

static __always_inline int nat_to_proxy(struct __sk_buff *skb, const struct packet *packet)
{
	struct weir_end client = {}, server = {}, proxy = {};
	struct weir_end *known;

	end_of(&client, packet->tuple.source, packet->tuple.source_port);
	end_of(&server, packet->tuple.destination, packet->tuple.destination_port);
	proxy_end(&proxy, packet->is_ipv6);
	known = bpf_map_lookup_elem(&weir_nat, &client);
	if (known && !is_same_end(known, &server)) {
		if (!packet->is_opening || is_speaking(packet, known))
			return WEIR_REASON_NAT_PORT_TAKEN;
		known = 0;
	}
	if (!known && bpf_map_update_elem(&weir_nat, &client, &server, BPF_ANY) < 0)
		return WEIR_REASON_MAP_UPDATE_FAILED;
	return rewrite_end(skb, packet->is_ipv6, false, &server, &proxy);
}

/* The proxy's answer gets the address that the client had dialled. */
static __always_inline int nat_from_proxy(struct __sk_buff *skb, const struct packet *packet)
{
	struct weir_end client = {}, proxy = {};
	struct weir_end *server;

	end_of(&client, packet->tuple.destination, packet->tuple.destination_port);
	end_of(&proxy, packet->tuple.source, packet->tuple.source_port);
	server = bpf_map_lookup_elem(&weir_nat, &client);
	if (!server)
		return WEIR_REASON_NAT_ENTRY_MISSING;
	return rewrite_end(skb, packet->is_ipv6, true, &proxy, server);
}
