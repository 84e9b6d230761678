/* batch: room for a batch of received datagrams, and filling it from a socket with one system call.
 * Not here: opening sockets (udp.h), watching many of them (sweep.h), what is in the datagrams.
 * RFC: none. */
#include "io/batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h> /* wants time.h before it */

#include "io/clock.h"
#include "io/sockaddr.h"

enum {
    /* 65,535 less the UDP header is the most a datagram carries; jumbograms aside, nothing that
     * arrives is ever cut by us. The odd remainder spreads the slots over cache sets. */
    BATCH_SLOT_BYTES = 65536 + 320,
    BATCH_CONTROL_BYTES = 128,
};

/* Smaller than a sockaddr_storage: a batch's sources share cache lines. */
union batch_source {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct io_batch {
    size_t capacity;
    size_t count;
    size_t memory_len;
    unsigned char *memory;
    struct datagram *datagrams;
    struct mmsghdr *headers;
    struct iovec *vectors;
    union batch_source *sources;
    unsigned char *controls;
};

struct io_batch *io_batch_create(size_t capacity)
{
    struct io_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->capacity = capacity;
    batch->memory_len = capacity * BATCH_SLOT_BYTES;
    batch->memory = mmap(NULL, batch->memory_len, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (batch->memory == MAP_FAILED)
        batch->memory = NULL;
    batch->datagrams = calloc(capacity, sizeof *batch->datagrams);
    batch->headers = calloc(capacity, sizeof *batch->headers);
    batch->vectors = calloc(capacity, sizeof *batch->vectors);
    batch->sources = calloc(capacity, sizeof *batch->sources);
    batch->controls = calloc(capacity, BATCH_CONTROL_BYTES);
    if (!batch->memory || !batch->datagrams || !batch->headers || !batch->vectors ||
        !batch->sources || !batch->controls) {
        io_batch_destroy(batch);
        errno = ENOMEM;
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++) {
        batch->vectors[i] = (struct iovec){.iov_base = batch->memory + i * BATCH_SLOT_BYTES,
                                           .iov_len = BATCH_SLOT_BYTES};
        batch->headers[i].msg_hdr =
            (struct msghdr){.msg_name = &batch->sources[i],
                            .msg_namelen = sizeof(union batch_source),
                            .msg_iov = &batch->vectors[i],
                            .msg_iovlen = 1,
                            .msg_control = batch->controls + i * BATCH_CONTROL_BYTES,
                            .msg_controllen = BATCH_CONTROL_BYTES};
    }
    return batch;
}

void io_batch_destroy(struct io_batch *batch)
{
    if (!batch)
        return;
    if (batch->memory)
        munmap(batch->memory, batch->memory_len);
    free(batch->datagrams);
    free(batch->headers);
    free(batch->vectors);
    free(batch->sources);
    free(batch->controls);
    free(batch);
}

void io_batch_clear(struct io_batch *batch)
{
    batch->count = 0;
}

size_t io_batch_room(const struct io_batch *batch)
{
    return batch->capacity - batch->count;
}

const struct datagram *io_batch_at(const struct io_batch *batch, size_t *count)
{
    *count = batch->count;
    return batch->datagrams;
}

/* What the kernel says beside the bytes: when it arrived, where to, and how many it had to drop. */
static void batch_read_control(struct msghdr *message, struct datagram *datagram)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    for (; control; control = CMSG_NXTHDR(message, control)) {
        const unsigned char *data = CMSG_DATA(control);
        if (io_clock_stamp(control, &datagram->at))
            continue;
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&datagram->dropped, data, sizeof datagram->dropped);
        } else if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, data, sizeof info);
            memcpy(datagram->to.ip, &info.ipi_addr, 4);
        } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, data, sizeof info);
            memcpy(datagram->to.ip, &info.ipi6_addr, 16);
        }
    }
}

/* RFC 792, RFC 4443 §3.1: nobody listens at that port. */
static bool batch_is_refusal(struct msghdr *message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control)) {
        struct sock_extended_err error;
        bool v4 = control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR;
        bool v6 = control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6)
            continue;
        memcpy(&error, CMSG_DATA(control), sizeof error);
        return error.ee_errno == ECONNREFUSED &&
               (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6);
    }
    return false;
}

void io_batch_errors(struct io_batch *batch, int fd, uint32_t socket)
{
    union batch_source to;
    unsigned char control[512];
    while (io_batch_room(batch) > 0) {
        struct msghdr message = {.msg_name = &to,
                                 .msg_namelen = sizeof to,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        if (message.msg_namelen == 0 || !batch_is_refusal(&message))
            continue;
        batch->datagrams[batch->count++] = (struct datagram){.socket = socket,
                                                             .from = io_sockaddr_to(&to.any),
                                                             .at = io_clock_wall(),
                                                             .refused = true};
    }
}

size_t io_batch_receive(struct io_batch *batch, int fd, uint32_t socket, const struct addr *local,
                        bool *drained)
{
    size_t room = batch->capacity - batch->count;
    struct mmsghdr *headers = batch->headers + batch->count;
    int got;
    got = recvmmsg(fd, headers, (unsigned)room, MSG_DONTWAIT, NULL);
    if (got < 0) {
        /* Anything but "empty" is the echo of something we sent (ICMP); the next call goes on. */
        *drained = errno == EAGAIN || errno == EWOULDBLOCK;
        return 0;
    }
    *drained = (size_t)got < room;
    for (int i = 0; i < got; i++) {
        struct datagram *datagram = &batch->datagrams[batch->count];
        *datagram = (struct datagram){
            .socket = socket,
            .to = *local,
            .bytes = {(const char *)batch->vectors[batch->count].iov_base, headers[i].msg_len},
            .from = io_sockaddr_to(headers[i].msg_hdr.msg_name),
            .truncated = (headers[i].msg_hdr.msg_flags & MSG_TRUNC) != 0,
        };
        batch_read_control(&headers[i].msg_hdr, datagram);
        if (datagram->at.ns == 0)
            datagram->at = io_clock_wall();
        headers[i].msg_hdr.msg_namelen = sizeof(union batch_source);
        headers[i].msg_hdr.msg_controllen = BATCH_CONTROL_BYTES;
        batch->count++;
    }
    return (size_t)got;
}
