/* What the benchmark tells a generator, a line each. */
#ifndef COMMANDS_H
#define COMMANDS_H

/* Read what has come on standard input, and call `obey` with each whole line; end with the input. */
void read_commands(void (*obey)(const char *command));

#endif
