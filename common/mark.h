/*
 * mark - the bits of packet and connection marks that are ours. Others own
 * the rest: rules and code set and test them by mask, never the whole mark.
 */
#ifndef POSTERN_COMMON_MARK_H
#define POSTERN_COMMON_MARK_H

enum mark {
	MARK_DOOR = 0x10000, /* ct and meta: a flow that came in through a door */
	MARK_REPLY =
	    0x100000, /* meta: a crafted reply; SO_MARK of auth's raw sockets, never tracked */
};

#endif
