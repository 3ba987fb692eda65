// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Brings packets that an endpoint's hooks sent round through weir0 to the proxy's sockets. */
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "include/metrics.h"
#include "include/steering.h"

char _license[] SEC("license") = "Dual BSD/GPL";

/* Written by the agent before load. */
const volatile struct weir_redirect_config CONFIG SEC(".rodata.config") = {};

/* tc ingress of weir0. The policy was consulted by the hook that sent the packet here; nobody else has the mark. */
SEC("tc")
int weir_from_redirect(struct __sk_buff *skb)
{
	struct parties parties = {};
	struct packet packet = {};
	bool is_reply = skb->mark & WEIR_MARK_REPLY;
	int reason = parse_packet(skb, &packet);

	if (!reason && (skb->mark & WEIR_MARK_MASK) != WEIR_MARK_REDIRECTED)
		reason = WEIR_REASON_UNEXPECTED_ON_REDIRECT_DEVICE;
	if (!reason)
		reason = deliver(skb, &packet, is_reply, CONFIG.redirect);
	if (reason)
		return drop_packet(&packet, &parties, reason, WEIR_INGRESS);
	/* The destination MAC is an endpoint's: without this the stack takes the packet for somebody else's. */
	bpf_skb_change_type(skb, PACKET_HOST);
	skb->mark = (skb->mark & ~WEIR_MARK_MASK) | WEIR_MARK_TO_PROXY;
	return TC_ACT_OK;
}
