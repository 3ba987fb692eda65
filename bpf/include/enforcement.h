/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What becomes of one packet: pass, drop, or steer. Shared by both hooks of an endpoint. */
#pragma once

#include "conntrack.h"
#include "metrics.h"
#include "policy.h"
#include "steering.h"

enum outcome {
	OUTCOME_PASS,
	OUTCOME_DROPPED,
	OUTCOME_STEER, /* to the proxy: how depends on the hook */
	OUTCOME_STEER_REPLY, /* the same, for an answer on one of the proxy's own legs */
};

/* The proxy learns at accept who speaks with whom. Written before any socket lookup, also for TIME_WAIT reuse. */
static __always_inline int record_connection(const struct packet *packet, const struct parties *parties)
{
	struct weir_connection connection = {
		.source_identity = parties->source_identity,
		.destination_identity = parties->destination_identity,
		.egress_endpoint = parties->egress_endpoint,
		.ingress_endpoint = parties->ingress_endpoint,
	};
	__u32 zero = 0;
	struct weir_config *config = bpf_map_lookup_elem(&weir_config, &zero);
	int slot = live_slot(packet->is_ipv6);

	if (slot < 0)
		return WEIR_REASON_NO_LISTENER;
	connection.slot = slot;
	connection.revision = config ? config->revision : 0;
	if (bpf_map_update_elem(&weir_conns, &packet->tuple, &connection, BPF_ANY) < 0)
		return WEIR_REASON_MAP_UPDATE_FAILED;
	return WEIR_REASON_NONE;
}

/*
 * A segment of a connection that is older than the policy, or than Weir: the proxy does not know it. Its socket is
 * looked for, too, because entries of flows can be lost.
 */
static __always_inline bool is_orphan(struct __sk_buff *skb, const struct packet *packet,
				      const struct weir_ct_entry *flow)
{
	return !packet->is_opening && !(flow && flow->flags & WEIR_CT_PROXIED) &&
	       !has_proxy_socket(skb, packet);
}

static __always_inline enum outcome enforce_redirect(struct __sk_buff *skb, const struct packet *packet,
						     const struct parties *parties,
						     struct weir_ct_entry *flow, __u8 direction, __u64 now_ns,
						     __u32 redirect)
{
	if (packet->tuple.protocol != IPPROTO_TCP || !packet->port_bits) {
		drop_packet(packet, parties, WEIR_REASON_UNSUPPORTED_L4_REDIRECT, direction);
		return OUTCOME_DROPPED;
	}
	/* Nothing there would answer it: the stack does not speak for an address that is not the node's. */
	if (redirect == WEIR_REDIRECT_SK_LOOKUP && is_orphan(skb, packet, flow)) {
		drop_packet(packet, parties, WEIR_REASON_REDIRECT_UNSUPPORTED, direction);
		return OUTCOME_DROPPED;
	}
	if (packet->is_opening) {
		int reason = record_connection(packet, parties);

		if (reason) {
			drop_packet(packet, parties, reason, direction);
			return OUTCOME_DROPPED;
		}
	}
	if (ct_record(flow, packet, WEIR_CT_PROXIED, now_ns) < 0) {
		drop_packet(packet, parties, WEIR_REASON_MAP_UPDATE_FAILED, direction);
		return OUTCOME_DROPPED;
	}
	return OUTCOME_STEER;
}

static __always_inline enum outcome enforce(struct __sk_buff *skb, const struct packet *packet,
					    const struct parties *parties, bool is_egress_judged,
					    __u32 redirect)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct weir_ct_entry *flow = 0;
	struct judgement judgement;

	/* A SYN opens a flow whatever was there before; all else may belong to a known one. */
	if (!packet->is_opening) {
		struct weir_tuple reversed;
		struct weir_ct_entry *replied, *related;

		reverse_tuple(&reversed, &packet->tuple);
		replied = ct_lookup(&reversed, now_ns);
		if (replied) {
			ct_touch(replied, packet, true, now_ns);
			return replied->flags & WEIR_CT_PROXIED ? OUTCOME_STEER_REPLY : OUTCOME_PASS;
		}
		/* An ICMP error is for whoever sent what it is about. */
		related = ct_find_related(packet, now_ns);
		if (related)
			return related->flags & WEIR_CT_PROXIED ? OUTCOME_STEER_REPLY : OUTCOME_PASS;
		flow = ct_lookup(&packet->tuple, now_ns);
		if (!flow && is_for_upstream_socket(skb, packet))
			return OUTCOME_STEER_REPLY;
	}

	/* Packets of established flows are judged like the first one: a revoked rule cuts a live flow here. */
	judgement = judge_flow(packet, parties, is_egress_judged);
	if (judgement.verdict == WEIR_VERDICT_DENY) {
		bpf_map_delete_elem(&weir_ct, &packet->tuple);
		drop_packet(packet, parties, judgement.reason, judgement.direction);
		return OUTCOME_DROPPED;
	}
	/* Once per flow: its later packets would only repeat it. */
	if (judgement.is_audited && !flow)
		report_packet(packet, parties, WEIR_REASON_POLICY_AUDIT, judgement.direction);
	if (judgement.verdict == WEIR_VERDICT_REDIRECT || (flow && flow->flags & WEIR_CT_PROXIED))
		return enforce_redirect(skb, packet, parties, flow, judgement.direction, now_ns, redirect);

	/* No longer steered: the listener lookup must not find an older entry of this tuple. */
	if (packet->is_opening)
		bpf_map_delete_elem(&weir_conns, &packet->tuple);
	if (ct_record(flow, packet, 0, now_ns) < 0) {
		drop_packet(packet, parties, WEIR_REASON_MAP_UPDATE_FAILED, judgement.direction);
		return OUTCOME_DROPPED;
	}
	return OUTCOME_PASS;
}
