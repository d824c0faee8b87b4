/*
 * mark - the bits of packet and connection marks that are ours. Others own
 * the rest: rules and code set and test them by mask, never the whole mark.
 */
#ifndef POSTERN_COMMON_MARK_H
#define POSTERN_COMMON_MARK_H

enum mark {
	MARK_DOOR = 0x10000,	   /* ct and meta: a flow that came in through a door */
	MARK_IDLE = 0x20000,	   /* ct: its packets keep the door open that it came through */
	MARK_MASQUERADE = 0x40000, /* ct: it leaves again under an address of this host */
	MARK_CUT = 0x200000,	   /* ct: nothing of it goes by any more, in either direction */
	MARK_SHUT = 0x400000, /* meta: to be answered like a closed port; of the firewall ipset */
	MARK_REPLY =
	    0x100000, /* meta: a crafted reply; SO_MARK of auth's raw sockets, never tracked */
};

/*
 * ct: the gateway that let it out, as a number from 1 on; 0: none did. The
 * number is made of the gateway's name alone (service_gate), so that it is the
 * same after a reload or restart, whatever stands beside it by then.
 */
#define MARK_GATES 0xff000000U

enum { MARK_GATES_SHIFT = 24, MARK_GATES_MAX = 255 };

#endif
