/* queue: what waits to be pulled: packets to send and events to tell.
 * Not here: what they mean (engine.h names who puts them here).
 * RFC: none. */
#include "sip/engine.h"

#include <assert.h>
#include <stdlib.h>

struct sip_queued_output {
    struct list link;
    struct sip_output output;
    struct sip_packet *packet;
};

struct sip_queued_event {
    struct list link;
    struct sip_event event;
    struct sip_message *message;
    struct sip_packet *packet;
};

static void queue_output(struct sip *sip, enum sip_output_kind kind, const struct sip_flow *flow,
                         struct sip_packet *packet)
{
    struct sip_queued_output *q = calloc(1, sizeof *q);
    if (!q)
        return; /* as if the network had lost it */
    q->output = (struct sip_output){kind, *flow, sip_packet_view(packet)};
    q->packet = packet ? sip_packet_hold(packet) : NULL;
    list_append(&sip->outputs, &q->link);
}

void sip_queue_packet(struct sip *sip, const struct sip_flow *flow, const struct addr *reconnect,
                      struct sip_packet *packet)
{
    struct sip_flow to = *flow;
    if (to.id != 0 && !sip_connection_find(sip, to.id)) {
        to.id = 0; /* RFC 3261 §18.2.2: a new connection */
        if (addr_is_set(reconnect))
            to.peer = *reconnect;
    }
    metric_add(METRIC_SIP_MESSAGES_SENT, 1);
    queue_output(sip, SIP_OUTPUT_SEND, &to, packet);
}

void sip_queue_close(struct sip *sip, const struct sip_flow *flow)
{
    queue_output(sip, SIP_OUTPUT_CLOSE, flow, NULL);
}

static void release_output(struct sip_queued_output *q)
{
    sip_packet_release(q->packet);
    free(q);
}

bool sip_output(struct sip *sip, struct sip_output *out)
{
    struct list *first = list_first(&sip->outputs);
    if (sip->output) {
        assert(first != &sip->output->link); /* it was taken out */
        release_output(sip->output);
    }
    sip->output = NULL;
    if (!first)
        return false;
    list_remove(first);
    sip->output = container_of(first, struct sip_queued_output, link);
    *out = sip->output->output;
    return true;
}

static void queue_event(struct sip *sip, const struct sip_event *event, struct sip_message *message,
                        struct sip_packet *packet)
{
    struct sip_queued_event *q = calloc(1, sizeof *q);
    if (!q) {
        LOG_ERROR("sip", VIEW_NONE, "event lost kind=%d reason=memory", (int)event->kind);
        return;
    }
    q->event = *event;
    q->message = message ? sip_message_hold(message) : NULL;
    q->packet = packet ? sip_packet_hold(packet) : NULL;
    q->event.message = message;
    list_append(&sip->events, &q->link);
}

void sip_queue_event(struct sip *sip, const struct sip_event *event, struct sip_message *message)
{
    queue_event(sip, event, message, NULL);
}

void sip_trace_received(struct sip *sip, const struct sip_dialog *dialog,
                        const struct sip_flow *flow, struct sip_message *message)
{
    struct sip_event event = {.kind = SIP_EVENT_TRACE,
                              .dialog = dialog->id.value,
                              .flow = *flow,
                              .bytes = message->bytes};
    queue_event(sip, &event, message, NULL);
}

void sip_trace_sent(struct sip *sip, const struct sip_dialog *dialog, const struct sip_flow *flow,
                    struct sip_packet *packet)
{
    struct sip_event event = {.kind = SIP_EVENT_TRACE,
                              .dialog = dialog->id.value,
                              .flow = *flow,
                              .sent = true,
                              .bytes = sip_packet_view(packet)};
    queue_event(sip, &event, NULL, packet);
}

static void release_event(struct sip_queued_event *q)
{
    sip_message_release(q->message);
    sip_packet_release(q->packet);
    free(q);
}

bool sip_event(struct sip *sip, struct sip_event *out)
{
    struct list *first = list_first(&sip->events);
    if (sip->event) {
        assert(first != &sip->event->link); /* it was taken out */
        release_event(sip->event);
    }
    sip->event = NULL;
    if (!first)
        return false;
    list_remove(first);
    sip->event = container_of(first, struct sip_queued_event, link);
    *out = sip->event->event;
    return true;
}

void sip_queue_clear(struct sip *sip)
{
    struct sip_output output;
    struct sip_event event;
    while (sip_output(sip, &output))
        continue;
    while (sip_event(sip, &event))
        continue;
}
