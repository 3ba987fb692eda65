/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every drop is counted and reported with its reason, and so is what would drop if all rules were enforced. */
#pragma once

#include <linux/pkt_cls.h>

#include "maps.h"
#include "parsing.h"

/* Who takes part in the packet at hand, in the direction in which it travels. */
struct parties {
	__u32 source_identity;
	__u32 destination_identity;
	__u32 egress_endpoint; /* 0: the source is no local endpoint */
	__u32 ingress_endpoint; /* 0: the destination is no local endpoint */
};

/* ff02::/16. Every stack sends such packets by itself (MLD, router solicitation): counted, not reported. */
static __always_inline bool is_link_local_multicast(const struct packet *packet)
{
	return (packet->tuple.destination[0] & bpf_htonl(0xffff0000)) == bpf_htonl(0xff020000);
}

WEIR_SUBPROGRAM int report_packet(const struct packet *packet, const struct parties *parties, __u8 reason,
				  __u8 direction)
{
	__u32 key = reason * 2 + direction;
	__u64 *count = bpf_map_lookup_elem(&weir_metrics, &key);
	__u32 egress_endpoint, ingress_endpoint;
	struct weir_event *event;

	if (!packet || !parties)
		return 0;
	if (count)
		(*count)++;
	if (is_link_local_multicast(packet))
		return 0;
	/* Read before one is chosen: a pointer that is chosen is arithmetic, for which CAP_PERFMON is needed. */
	egress_endpoint = parties->egress_endpoint;
	ingress_endpoint = parties->ingress_endpoint;
	event = bpf_ringbuf_reserve(&weir_events, sizeof(*event), 0);
	if (!event)
		return 0; /* counted above; only the details are lost */
	event->tuple = packet->tuple;
	event->source_identity = parties->source_identity;
	event->destination_identity = parties->destination_identity;
	event->endpoint = direction == WEIR_EGRESS ? egress_endpoint : ingress_endpoint;
	event->reason = reason;
	event->direction = direction;
	event->pad = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline int drop_packet(const struct packet *packet, const struct parties *parties,
				       __u8 reason, __u8 direction)
{
	report_packet(packet, parties, reason, direction);
	return TC_ACT_SHOT;
}
