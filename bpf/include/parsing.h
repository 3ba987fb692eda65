/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a packet to the tuple and flags that the policy looks at. */
#pragma once

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IPV6_HEADER_BYTES 40

/* RFC 792 and RFC 4443; <linux/icmp.h> would drag in the C library. */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12
#define ICMPV6_LAST_ERROR 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_FIRST_NEIGHBOUR_DISCOVERY 133
#define ICMPV6_LAST_NEIGHBOUR_DISCOVERY 137

/*
 * Verified once and by itself, not again on each path that leads to it: that is most of what loading costs. The
 * verifier takes pointers to be null there.
 */
#define WEIR_SUBPROGRAM __attribute__((noinline))

struct packet {
	struct weir_tuple tuple;
	/* Flow that an ICMP error is about, named as its sender named it; protocol 0: none. */
	struct weir_tuple related;
	/* What policy calls the port: the destination's, for ICMP the type. */
	__be16 policy_port;
	/* 16 when that is known, else only rules without a port can match. */
	__u8 port_bits;
	/* Why the port is not known, reported when that leads to a drop. */
	__u8 opaque_reason;
	__u8 is_ipv6;
	__u8 is_opening; /* TCP SYN without ACK */
	__u8 is_fin;
	__u8 is_reset;
	__u8 is_neighbour_discovery;
};

static __always_inline void map_ipv4(__be32 out[4], __be32 address)
{
	out[0] = 0;
	out[1] = 0;
	out[2] = bpf_htonl(0xffff);
	out[3] = address;
}

static __always_inline void copy_ipv6(__be32 out[4], const struct in6_addr *address)
{
	out[0] = address->in6_u.u6_addr32[0];
	out[1] = address->in6_u.u6_addr32[1];
	out[2] = address->in6_u.u6_addr32[2];
	out[3] = address->in6_u.u6_addr32[3];
}

static __always_inline void reverse_tuple(struct weir_tuple *out, const struct weir_tuple *in)
{
	__builtin_memcpy(out->source, in->destination, sizeof(out->source));
	__builtin_memcpy(out->destination, in->source, sizeof(out->destination));
	out->source_port = in->destination_port;
	out->destination_port = in->source_port;
	out->protocol = in->protocol;
	__builtin_memset(out->pad, 0, sizeof(out->pad));
}

static __always_inline int parse_tcp(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct tcphdr tcp;

	if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)) < 0)
		return WEIR_REASON_MALFORMED_PACKET;
	packet->tuple.source_port = tcp.source;
	packet->tuple.destination_port = tcp.dest;
	packet->policy_port = tcp.dest;
	packet->port_bits = WEIR_POLICY_PORT_BITS;
	packet->is_opening = tcp.syn && !tcp.ack;
	packet->is_fin = tcp.fin;
	packet->is_reset = tcp.rst;
	return WEIR_REASON_NONE;
}

/* UDP, UDP-Lite and SCTP begin with both ports. */
static __always_inline int parse_ports(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)) < 0)
		return WEIR_REASON_MALFORMED_PACKET;
	packet->tuple.source_port = ports[0];
	packet->tuple.destination_port = ports[1];
	packet->policy_port = ports[1];
	packet->port_bits = WEIR_POLICY_PORT_BITS;
	return WEIR_REASON_NONE;
}

/*
 * The inner header of an ICMP error: source and destination as the sender of the offending packet wrote
 * them. Best effort: what cannot be read is no relation, and the policy decides.
 */
static __always_inline void parse_related(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct weir_tuple *related = &packet->related;
	__be16 ports[2];

	if (packet->is_ipv6) {
		struct ipv6hdr ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) < 0)
			return;
		copy_ipv6(related->source, &ip.saddr);
		copy_ipv6(related->destination, &ip.daddr);
		related->protocol = ip.nexthdr;
		offset += sizeof(ip);
	} else {
		struct iphdr ip;

		if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) < 0 || ip.ihl != 5)
			return;
		map_ipv4(related->source, ip.saddr);
		map_ipv4(related->destination, ip.daddr);
		related->protocol = ip.protocol;
		offset += sizeof(ip);
	}
	if (related->protocol != IPPROTO_TCP && related->protocol != IPPROTO_UDP) {
		related->protocol = 0;
		return;
	}
	if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)) < 0) {
		related->protocol = 0;
		return;
	}
	related->source_port = ports[0];
	related->destination_port = ports[1];
}

/* An echo is a flow named by its identifier: request (id, 0), reply (0, id). */
static __always_inline int parse_icmp(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	struct {
		__u8 type;
		__u8 code;
		__be16 checksum;
		__be16 id;
		__be16 sequence;
	} icmp;

	if (bpf_skb_load_bytes(skb, offset, &icmp, sizeof(icmp)) < 0)
		return WEIR_REASON_MALFORMED_PACKET;
	offset += sizeof(icmp);
	packet->policy_port = bpf_htons(icmp.type);
	packet->port_bits = WEIR_POLICY_PORT_BITS;
	if (packet->is_ipv6) {
		if (icmp.type == ICMPV6_ECHO_REQUEST)
			packet->tuple.source_port = icmp.id;
		else if (icmp.type == ICMPV6_ECHO_REPLY)
			packet->tuple.destination_port = icmp.id;
		else if (icmp.type >= ICMPV6_FIRST_NEIGHBOUR_DISCOVERY &&
			 icmp.type <= ICMPV6_LAST_NEIGHBOUR_DISCOVERY)
			packet->is_neighbour_discovery = 1;
		else if (icmp.type >= 1 && icmp.type <= ICMPV6_LAST_ERROR)
			parse_related(skb, offset, packet);
		return WEIR_REASON_NONE;
	}
	if (icmp.type == ICMP_ECHO)
		packet->tuple.source_port = icmp.id;
	else if (icmp.type == ICMP_ECHOREPLY)
		packet->tuple.destination_port = icmp.id;
	else if (icmp.type == ICMP_DEST_UNREACH || icmp.type == ICMP_TIME_EXCEEDED ||
		 icmp.type == ICMP_PARAMETERPROB)
		parse_related(skb, offset, packet);
	return WEIR_REASON_NONE;
}

static __always_inline int parse_l4(struct __sk_buff *skb, __u32 offset, struct packet *packet)
{
	switch (packet->tuple.protocol) {
	case IPPROTO_TCP:
		return parse_tcp(skb, offset, packet);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		return parse_ports(skb, offset, packet);
	case IPPROTO_ICMP:
		return packet->is_ipv6 ? WEIR_REASON_NONE : parse_icmp(skb, offset, packet);
	case IPPROTO_ICMPV6:
		return packet->is_ipv6 ? parse_icmp(skb, offset, packet) : WEIR_REASON_NONE;
	default:
		return WEIR_REASON_NONE;
	}
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 4 || ip.ihl < 5)
		return WEIR_REASON_MALFORMED_PACKET;
	map_ipv4(packet->tuple.source, ip.saddr);
	map_ipv4(packet->tuple.destination, ip.daddr);
	packet->tuple.protocol = ip.protocol;
	if (ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET)) {
		packet->opaque_reason = WEIR_REASON_FRAGMENT;
		return WEIR_REASON_NONE;
	}
	if (ip.ihl != 5) {
		packet->opaque_reason = WEIR_REASON_IP_OPTIONS;
		return WEIR_REASON_NONE;
	}
	return parse_l4(skb, ETH_HLEN + sizeof(ip), packet);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) < 0 || ip.version != 6)
		return WEIR_REASON_MALFORMED_PACKET;
	packet->is_ipv6 = 1;
	copy_ipv6(packet->tuple.source, &ip.saddr);
	copy_ipv6(packet->tuple.destination, &ip.daddr);
	switch (ip.nexthdr) {
	case IPPROTO_FRAGMENT:
		packet->opaque_reason = WEIR_REASON_FRAGMENT;
		return WEIR_REASON_NONE;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case IPPROTO_AH:
		/* The protocol behind is not looked for: only rules for any protocol can match. */
		packet->opaque_reason = WEIR_REASON_IPV6_EXTENSION_HEADER;
		return WEIR_REASON_NONE;
	default:
		packet->tuple.protocol = ip.nexthdr;
		return parse_l4(skb, ETH_HLEN + IPV6_HEADER_BYTES, packet);
	}
}

/* Fills `packet`. Returns WEIR_REASON_NONE, or why the packet must be dropped. */
WEIR_SUBPROGRAM int parse_packet(struct __sk_buff *skb, struct packet *packet)
{
	if (!packet)
		return WEIR_REASON_MALFORMED_PACKET;
	if (skb->vlan_present)
		return WEIR_REASON_UNSUPPORTED_L3_PROTOCOL;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(skb, packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(skb, packet);
	return WEIR_REASON_UNSUPPORTED_L3_PROTOCOL;
}
