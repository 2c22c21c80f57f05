/*
 * roles/scanning/exchange.h - what a scan pool and its workers say to each other.
 *
 * Asked, a packet: contents one behind the other, each as its path (text), its length (number) and
 * itself (text). A content that is larger than a packet comes alone: without itself, but with
 * a memory file.
 *
 * Answered, packets: of each content in turn a record of its classes and how many findings
 * there are, then a record each. A packet ends anywhere between two records, and behind the
 * last one of what was asked.
 */
#ifndef CUSTODY_ROLES_SCANNING_EXCHANGE_H
#define CUSTODY_ROLES_SCANNING_EXCHANGE_H

#define EXCHANGE_RECORD_BYTES 16 /* two numbers */

#endif
