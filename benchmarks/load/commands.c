#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

void read_commands(void (*obey)(const char *command)) {
    static char text[1024];
    static size_t length;
    ssize_t got = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
    if (got <= 0) exit(0);
    length += got;
    text[length] = 0;
    char *line = text, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = 0;
        obey(line);
        line = end + 1;
    }
    length = strlen(line);
    memmove(text, line, length);
}
