/* lathe: the program.  Everything it does is in dispatch.c, where tests can reach it. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return lt_cli_main(argc, argv);
}
