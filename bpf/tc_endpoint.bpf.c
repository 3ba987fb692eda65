// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Decides about each packet that a local endpoint sends (from_endpoint) or would receive (to_endpoint). */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "include/enforcement.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Written by the agent before load. */
const volatile struct weir_endpoint_config CONFIG SEC(".rodata.config") = {};

/*
 * tc ingress of the host-side device. The source is this endpoint, proven by its address. Judges its egress
 * and, when the destination is local too, that endpoint's ingress.
 */
SEC("tc")
int weir_from_endpoint(struct __sk_buff *skb)
{
	struct parties parties = { .source_identity = CONFIG.identity, .egress_endpoint = CONFIG.endpoint };
	struct packet packet = {};
	struct weir_endpoint *endpoint;
	int reason;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_UNSPEC;
	reason = parse_packet(skb, &packet);
	if (reason)
		return drop_packet(&packet, &parties, reason, WEIR_EGRESS);
	if (packet.is_neighbour_discovery)
		return TC_ACT_UNSPEC;
	endpoint = bpf_map_lookup_elem(&weir_endpoints, packet.tuple.source);
	if (!endpoint || endpoint->endpoint != CONFIG.endpoint)
		return drop_packet(&packet, &parties, WEIR_REASON_INVALID_SOURCE_IP, WEIR_EGRESS);

	endpoint = bpf_map_lookup_elem(&weir_endpoints, packet.tuple.destination);
	if (endpoint) {
		parties.ingress_endpoint = endpoint->endpoint;
		parties.destination_identity = endpoint->identity;
	} else {
		parties.destination_identity = identity_of(packet.tuple.destination);
	}

	switch (enforce(skb, &packet, &parties, false)) {
	case OUTCOME_PASS:
		/* Names the endpoint that was judged: DNAT may still choose another. */
		if (parties.ingress_endpoint)
			set_mark(skb, WEIR_MARK_JUDGED, parties.ingress_endpoint);
		return TC_ACT_UNSPEC;
	case OUTCOME_STEER:
		if (!packet.is_opening) {
			reason = assign_socket(skb, &packet);
			if (reason)
				return drop_packet(&packet, &parties, reason, WEIR_EGRESS);
		}
		/* A SYN finds its listener by sk_lookup, which reads the connection entry. */
		set_mark(skb, WEIR_MARK_TO_PROXY, CONFIG.identity);
		return TC_ACT_OK;
	default:
		return TC_ACT_SHOT;
	}
}

/*
 * tc egress of the host-side device. Packets of another endpoint come judged; those of the proxy are its own
 * legs. What is left comes from the host or from outside and meets the ingress policy here.
 */
SEC("tc")
int weir_to_endpoint(struct __sk_buff *skb)
{
	struct parties parties = { .destination_identity = CONFIG.identity,
				   .ingress_endpoint = CONFIG.endpoint };
	__u32 magic = skb->mark & WEIR_MARK_MASK;
	struct packet packet = {};
	struct weir_endpoint *source;
	int reason;

	if (skb->mark == (WEIR_MARK_JUDGED | CONFIG.endpoint << 16) || magic == WEIR_MARK_DOWNSTREAM ||
	    skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_UNSPEC;
	reason = parse_packet(skb, &packet);
	if (reason)
		return drop_packet(&packet, &parties, reason, WEIR_INGRESS);
	if (packet.is_neighbour_discovery)
		return TC_ACT_UNSPEC;
	if (magic == WEIR_MARK_UPSTREAM) {
		__u64 now_ns = bpf_ktime_get_ns();

		/* Judged by the proxy, request by request. Remembered, so that the server's replies find it. */
		if (ct_record(ct_lookup(&packet.tuple, now_ns), &packet, WEIR_CT_PROXIED, now_ns) < 0)
			return drop_packet(&packet, &parties, WEIR_REASON_MAP_UPDATE_FAILED, WEIR_INGRESS);
		return TC_ACT_UNSPEC;
	}

	source = bpf_map_lookup_elem(&weir_endpoints, packet.tuple.source);
	if (source) {
		/* A local endpoint whose mark was lost on the way; its egress was judged when it sent this. */
		parties.egress_endpoint = source->endpoint;
		parties.source_identity = source->identity;
	} else {
		parties.source_identity = identity_of(packet.tuple.source);
	}

	switch (enforce(skb, &packet, &parties, true)) {
	case OUTCOME_PASS:
		return TC_ACT_UNSPEC;
	case OUTCOME_STEER:
		/* Sockets can be assigned on ingress only: send it round through weir0. */
		set_mark(skb, WEIR_MARK_REDIRECTED, parties.source_identity);
		return bpf_redirect(CONFIG.redirect_ifindex, BPF_F_INGRESS);
	default:
		return TC_ACT_SHOT;
	}
}
