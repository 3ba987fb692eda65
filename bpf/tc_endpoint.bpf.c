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
 * Sockets can be assigned on ingress only, and a bridge takes the frames of its ports before the IP layer sees
 * them: such packets go round through weir0.
 */
static __always_inline int redirect_to_steering(struct __sk_buff *skb, __u32 source_identity, bool is_reply)
{
	set_mark(skb, WEIR_MARK_REDIRECTED | (is_reply ? WEIR_MARK_REPLY : 0), source_identity);
	return bpf_redirect(CONFIG.redirect_ifindex, BPF_F_INGRESS);
}

static __always_inline int steer_from_endpoint(struct __sk_buff *skb, const struct packet *packet,
					       const struct parties *parties, bool is_reply)
{
	int reason;

	if (CONFIG.flags & WEIR_ENDPOINT_HAS_MASTER)
		return redirect_to_steering(skb, CONFIG.identity, is_reply);
	reason = deliver(skb, packet, is_reply, CONFIG.redirect);
	if (reason)
		return drop_packet(packet, parties, reason, WEIR_EGRESS);
	set_mark(skb, WEIR_MARK_TO_PROXY | (is_reply ? WEIR_MARK_REPLY : 0), CONFIG.identity);
	return TC_ACT_OK;
}

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

	switch (enforce(skb, &packet, &parties, false, CONFIG.redirect)) {
	case OUTCOME_PASS:
		/* Names the endpoint that was judged: DNAT may still choose another. */
		if (parties.ingress_endpoint)
			set_mark(skb, WEIR_MARK_JUDGED, parties.ingress_endpoint);
		return TC_ACT_UNSPEC;
	case OUTCOME_STEER:
		return steer_from_endpoint(skb, &packet, &parties, false);
	case OUTCOME_STEER_REPLY:
		return steer_from_endpoint(skb, &packet, &parties, true);
	default:
		return TC_ACT_SHOT;
	}
}

/*
 * In mode nat the proxy's answer has to come back by the hook that saw the client dial: what is first seen here
 * was dialled elsewhere, or for another address.
 */
static __always_inline int steer_to_endpoint(struct __sk_buff *skb, const struct packet *packet,
					     const struct parties *parties, bool is_reply)
{
	if (CONFIG.redirect == WEIR_REDIRECT_NAT && !is_reply)
		return drop_packet(packet, parties, WEIR_REASON_REDIRECT_UNSUPPORTED, WEIR_INGRESS);
	return redirect_to_steering(skb, parties->source_identity, is_reply);
}

/* An unknown destination MAC is flooded to all ports of a bridge; nobody but the addressee may see it. */
static __always_inline bool is_for_another(const struct packet *packet)
{
	struct weir_endpoint *endpoint;

	endpoint = bpf_map_lookup_elem(&weir_endpoints, packet->tuple.destination);
	return endpoint && endpoint->endpoint != CONFIG.endpoint;
}

/*
 * A packet of the proxy towards this endpoint: judged by the proxy, request by request, unless NAT chose the
 * endpoint afterwards. Then its policy is asked here; L7 rules cannot be, any more.
 */
static __always_inline int pass_upstream(struct __sk_buff *skb, const struct packet *packet,
					 const struct parties *parties)
{
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 flags = WEIR_CT_PROXIED;

	if (skb->mark >> 16 != CONFIG.endpoint) {
		struct judgement judgement = judge_flow(packet, parties, true);

		if (judgement.verdict == WEIR_VERDICT_REDIRECT)
			return drop_packet(packet, parties, WEIR_REASON_UPSTREAM_NOT_JUDGED, WEIR_INGRESS);
		if (judgement.verdict != WEIR_VERDICT_ALLOW)
			return drop_packet(packet, parties, judgement.reason, WEIR_INGRESS);
	}
	/* Remembered, so that the server's replies find the proxy. */
	if (packet->is_opening && is_untranslated(skb, packet))
		flags |= WEIR_CT_UNTRANSLATED;
	if (ct_record(ct_lookup(&packet->tuple, now_ns), packet, flags, now_ns) < 0)
		return drop_packet(packet, parties, WEIR_REASON_MAP_UPDATE_FAILED, WEIR_INGRESS);
	return TC_ACT_UNSPEC;
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
	bool is_judged = skb->mark == (WEIR_MARK_JUDGED | CONFIG.endpoint << 16) ||
			 magic == WEIR_MARK_DOWNSTREAM;
	int reason;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return TC_ACT_UNSPEC;
	if (is_judged && !(CONFIG.flags & WEIR_ENDPOINT_HAS_MASTER) && CONFIG.redirect != WEIR_REDIRECT_NAT)
		return TC_ACT_UNSPEC;
	reason = parse_packet(skb, &packet);
	if (reason)
		return drop_packet(&packet, &parties, reason, WEIR_INGRESS);
	if (packet.is_neighbour_discovery)
		return TC_ACT_UNSPEC;
	if ((CONFIG.flags & WEIR_ENDPOINT_HAS_MASTER) && is_for_another(&packet))
		return drop_packet(&packet, &parties, WEIR_REASON_OTHER_ENDPOINT, WEIR_INGRESS);
	if (CONFIG.redirect == WEIR_REDIRECT_NAT && magic == WEIR_MARK_DOWNSTREAM) {
		reason = nat_from_proxy(skb, &packet);
		return reason ? drop_packet(&packet, &parties, reason, WEIR_INGRESS) : TC_ACT_UNSPEC;
	}
	if (is_judged)
		return TC_ACT_UNSPEC;
	/* It should have gone to the proxy: the device has joined a bridge, or the policy route is gone. */
	if (magic == WEIR_MARK_TO_PROXY)
		return drop_packet(&packet, &parties, WEIR_REASON_STEERING_LOST, WEIR_INGRESS);

	source = bpf_map_lookup_elem(&weir_endpoints, packet.tuple.source);
	if (source) {
		/* A local endpoint whose mark was lost on the way; its egress was judged when it sent this. */
		parties.egress_endpoint = source->endpoint;
		parties.source_identity = source->identity;
	} else {
		parties.source_identity = identity_of(packet.tuple.source);
	}
	if (magic == WEIR_MARK_UPSTREAM)
		return pass_upstream(skb, &packet, &parties);

	switch (enforce(skb, &packet, &parties, true, CONFIG.redirect)) {
	case OUTCOME_PASS:
		return TC_ACT_UNSPEC;
	case OUTCOME_STEER:
		return steer_to_endpoint(skb, &packet, &parties, false);
	case OUTCOME_STEER_REPLY:
		return steer_to_endpoint(skb, &packet, &parties, true);
	default:
		return TC_ACT_SHOT;
	}
}
