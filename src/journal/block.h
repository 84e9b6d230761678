/* block: the numbers of pcapng that the journal uses.
 * Not here: writing (writer.c), reading (reader.c).
 * draft-ietf-opsawg-pcapng §3, §4. */
#ifndef JOURNAL_BLOCK_H
#define JOURNAL_BLOCK_H

#define JOURNAL_BLOCK_SECTION   0x0a0d0d0aU
#define JOURNAL_BLOCK_INTERFACE 1U
#define JOURNAL_BLOCK_PACKET    6U
/* Local use (§3.1: the highest bit): bytes that were lost. */
#define JOURNAL_BLOCK_LOST 0x80000000U

#define JOURNAL_BYTE_ORDER  0x1a2b3c4dU
#define JOURNAL_LINK_RAW    101
#define JOURNAL_BLOCK_MIN   12 /* type, length, length */
#define JOURNAL_PACKET_HEAD 28 /* type, length, interface, time, captured, original */
/* No block of ours is longer; a length field that says so is damage. */
#define JOURNAL_BLOCK_MAX (256U * 1024)

#define JOURNAL_OPTION_END            0
#define JOURNAL_OPTION_COMMENT        1
#define JOURNAL_OPTION_IF_NAME        2
#define JOURNAL_OPTION_IF_DESCRIPTION 3
#define JOURNAL_OPTION_IF_TSRESOL     9
#define JOURNAL_OPTION_USERAPPL       4
#define JOURNAL_NANOSECONDS           9

#define JOURNAL_PADDED(n) (((n) + 3) & ~(size_t)3)

#endif
