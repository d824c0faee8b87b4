/*
 * pipe - standard input to a connection, the connection to standard output.
 */
#ifndef POSTERN_CLIENT_PIPE_H
#define POSTERN_CLIENT_PIPE_H

/*
 * Carry bytes both ways until both directions have ended, or standard output
 * is gone. The end of one is passed on (a half-close) and the other goes on.
 * Blocks. Returns 0; -1 with errno when the connection broke.
 */
int pipe_run(int in, int out, int sock);

#endif
