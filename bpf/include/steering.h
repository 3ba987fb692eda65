/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Bringing a packet to the proxy's sockets. */
#pragma once

#include <linux/pkt_cls.h>

#include "maps.h"
#include "nat.h"
#include "parsing.h"

#ifndef AF_INET
#define AF_INET 2
#define AF_INET6 10
#endif

/* First slot with a live listener, or negative. SO_REUSEPORT spreads connections over the others. */
WEIR_SUBPROGRAM int live_slot(bool is_ipv6)
{
	for (__u32 slot = 0; slot < WEIR_MAX_WORKERS; slot++) {
		__u32 key = slot + (is_ipv6 ? WEIR_LISTENER_IPV6 : 0);
		struct bpf_sock *listener = bpf_map_lookup_elem(&weir_listeners, &key);

		if (listener) {
			bpf_sk_release(listener);
			return slot;
		}
	}
	return -1;
}

/* `incoming`: as in a packet that the socket would receive. */
static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb, const struct weir_tuple *incoming,
						    bool is_ipv6)
{
	struct bpf_sock_tuple tuple = {};

	if (is_ipv6) {
		__builtin_memcpy(tuple.ipv6.saddr, incoming->source, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, incoming->destination, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = incoming->source_port;
		tuple.ipv6.dport = incoming->destination_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	}
	tuple.ipv4.saddr = incoming->source[3];
	tuple.ipv4.daddr = incoming->destination[3];
	tuple.ipv4.sport = incoming->source_port;
	tuple.ipv4.dport = incoming->destination_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

/*
 * True for sockets that only the proxy can own. Listeners are not: the packet may match a service of the
 * host. Request and TIME_WAIT sockets carry no readable mark; they belong to whoever holds the tuple.
 */
static __always_inline bool is_proxy_socket(struct bpf_sock *socket)
{
	struct bpf_sock *full;
	__u32 magic;

	if (socket->state == BPF_TCP_LISTEN)
		return false;
	if (socket->state == BPF_TCP_TIME_WAIT || socket->state == BPF_TCP_NEW_SYN_RECV)
		return true;
	full = bpf_sk_fullsock(socket);
	if (!full)
		return false;
	magic = full->mark & WEIR_MARK_MASK;
	return magic == WEIR_MARK_UPSTREAM || magic == WEIR_MARK_DOWNSTREAM;
}

/* `incoming`: as in a packet that the upstream leg would receive. */
static __always_inline bool has_upstream_socket(struct __sk_buff *skb, const struct weir_tuple *incoming,
						bool is_ipv6)
{
	struct bpf_sock *socket = find_socket(skb, incoming, is_ipv6);
	struct bpf_sock *full;
	bool found = false;

	if (!socket)
		return false;
	if (socket->state != BPF_TCP_LISTEN) {
		full = bpf_sk_fullsock(socket);
		found = full && (full->mark & WEIR_MARK_MASK) == WEIR_MARK_UPSTREAM;
	}
	bpf_sk_release(socket);
	return found;
}

/*
 * Is this packet, or the packet that an ICMP error is about, one of an upstream leg without a flow entry? So
 * are all legs to servers elsewhere: they leave the node past our hooks.
 */
static __always_inline bool is_for_upstream_socket(struct __sk_buff *skb, const struct packet *packet)
{
	bool is_segment = packet->tuple.protocol == IPPROTO_TCP && packet->port_bits;
	struct weir_tuple incoming = packet->tuple;

	if (packet->related.protocol == IPPROTO_TCP)
		reverse_tuple(&incoming, &packet->related);
	else if (!is_segment)
		return false;
	return has_upstream_socket(skb, &incoming, packet->is_ipv6);
}

/* Does the upstream leg of this segment of the proxy expect answers to just that, or does NAT stand between? */
static __always_inline bool is_untranslated(struct __sk_buff *skb, const struct packet *packet)
{
	struct weir_tuple incoming;

	reverse_tuple(&incoming, &packet->tuple);
	return has_upstream_socket(skb, &incoming, packet->is_ipv6);
}

/* No socket was found for this answer. Will there be one, once NAT has translated its source back? */
static __always_inline bool awaits_translation(const struct packet *packet)
{
	struct weir_ct_entry *flow;
	struct weir_tuple reversed;

	reverse_tuple(&reversed, &packet->tuple);
	flow = ct_lookup(&reversed, bpf_ktime_get_ns());
	return !flow || !(flow->flags & WEIR_CT_UNTRANSLATED);
}

/* Does any socket of the proxy wait for this segment? */
static __always_inline bool has_proxy_socket(struct __sk_buff *skb, const struct packet *packet)
{
	struct bpf_sock *socket = find_socket(skb, &packet->tuple, packet->is_ipv6);
	bool found;

	if (!socket)
		return false;
	found = is_proxy_socket(socket);
	bpf_sk_release(socket);
	return found;
}

/*
 * Give the packet to the socket of its leg. A packet without a socket (the flow is older than the policy, or
 * than the proxy) goes to the listener, which answers with RST, so that the client comes back through the
 * proxy, and a server hears of a leg that is gone. Only an answer that NAT has to translate back is left to the
 * stack. A SYN is never an answer. An ICMP error finds the socket that it is about. Ingress hooks only.
 */
static __always_inline int assign_socket(struct __sk_buff *skb, const struct packet *packet, bool is_reply)
{
	struct bpf_sock *socket;
	long error;

	if (packet->tuple.protocol != IPPROTO_TCP)
		return WEIR_REASON_NONE;
	socket = find_socket(skb, &packet->tuple, packet->is_ipv6);

	if (socket && !is_proxy_socket(socket)) {
		bpf_sk_release(socket);
		socket = 0;
	}
	if (!socket) {
		int slot;
		__u32 key;

		if (is_reply && (packet->is_opening || awaits_translation(packet)))
			return WEIR_REASON_NONE;
		slot = live_slot(packet->is_ipv6);
		if (slot < 0)
			return WEIR_REASON_NO_LISTENER;
		key = slot + (packet->is_ipv6 ? WEIR_LISTENER_IPV6 : 0);
		socket = bpf_map_lookup_elem(&weir_listeners, &key);
		if (!socket)
			return WEIR_REASON_NO_LISTENER;
	}
	error = bpf_sk_assign(skb, socket, 0);
	bpf_sk_release(socket);
	return error ? WEIR_REASON_SOCKET_ASSIGN_FAILED : WEIR_REASON_NONE;
}

/* Hand a packet over to the proxy by whatever the redirect mode uses. Ingress hooks only. */
static __always_inline int deliver(struct __sk_buff *skb, const struct packet *packet, bool is_reply,
				   __u32 redirect)
{
	switch (redirect) {
	case WEIR_REDIRECT_NAT:
		/* An answer of a server is addressed to the node anyway. */
		return is_reply ? WEIR_REASON_NONE : nat_to_proxy(skb, packet);
	case WEIR_REDIRECT_SK_ASSIGN:
		return assign_socket(skb, packet, is_reply);
	case WEIR_REDIRECT_TPROXY:
		/* Netfilter cannot tell which answers have no socket before NAT has translated them. */
		return is_reply ? assign_socket(skb, packet, is_reply) : WEIR_REASON_NONE;
	case WEIR_REDIRECT_SK_LOOKUP:
		return WEIR_REASON_NONE;
	default:
		/* A SYN finds its listener by sk_lookup, which reads the connection entry. */
		return packet->is_opening ? WEIR_REASON_NONE : assign_socket(skb, packet, is_reply);
	}
}

/* `number`: an identity or an endpoint id; 16 bits of it are kept. */
static __always_inline void set_mark(struct __sk_buff *skb, __u32 magic, __u32 number)
{
	skb->mark = magic | number << 16;
}
