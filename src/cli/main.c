/* lathe: the program. */
#include <lathe.h>
#include <stdio.h>

int main(void)
{
    fprintf(stderr, "lathe %s: `lathe help` lists the verbs\n", LATHE_VERSION);
    return 2;
}
