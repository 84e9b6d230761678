/* limits: how much of anything siprecd takes, each with its reason.
 * Not here: what operators may choose (siprecd/settings.h).
 * RFC: where a number comes from one, it says so. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* A UDP datagram carries at most this (16-bit length); TCP messages get the same bound times 16,
 * since metadata of conferences grows. */
#define LIMIT_SIP_DATAGRAM 65535
#define LIMIT_SIP_MESSAGE  (1024 * 1024)
/* Bodies above this are answered 413: the largest rs-metadata seen in the field is under 100 KB. */
#define LIMIT_SIP_BODY (512 * 1024)

/* Calls at once: what one machine's network card and disk are good for, with room; fewer where the
 * limit on open files (five a call) says so. */
#define LIMIT_RECORDINGS 4096

/* Two streams a call is normal, eight were seen (NG911); an SRC that mixes video in offers more
 * m-lines, which are rejected but must still be answered in place. */
#define LIMIT_STREAMS_PER_RECORDING 32
#define LIMIT_SDP_MEDIA             64
#define LIMIT_SDP_FORMATS           64 /* payload types of one m-line: 7 bits less the RTCP range */

/* One media datagram: jumbo frames included, and L16/48000/2 with 40 ms (7.7 KB) in fragments;
 * longer ones are no media and counted. */
#define LIMIT_MEDIA_DATAGRAM 9216

/* Warnings kept on one recording; further ones only count. */
#define LIMIT_WARNINGS 64

/* XML: metadata deeper or larger than this is broken on purpose. */
#define LIMIT_XML_DEPTH    64
#define LIMIT_XML_ELEMENTS 20000

/* Metadata: elements of one kind, and extension values of one element. A persistent recording
 * session of a trading desk sees some hundred participants a day; lists are searched one by one, so
 * they must stay short. */
#define LIMIT_METADATA_LIST 1024
/* Bytes of one document while it is read (text and elements),
 * and of all that a recording keeps of them. */
#define LIMIT_METADATA_SCRATCH (8 * 1024 * 1024)
#define LIMIT_METADATA_STATE   (1024 * 1024)

#endif
