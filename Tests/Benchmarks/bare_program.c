/* The smallest program there is, so that a load of processes is a load of
 * execs and not of C libraries. Ends at once; built with -DSLEEPS it waits
 * to be killed. Built without a C library: -static -nostdlib. */

#include <asm/unistd.h>

#ifdef SLEEPS
/* ppoll(NULL, 0, NULL, NULL, 0): x86-64 and arm64 both have it. */
#define CALL __NR_ppoll
#else
#define CALL __NR_exit_group
#endif

static long call(void)
{
#if defined(__x86_64__)
	register long fifth __asm__("r8") = 0;
	register long fourth __asm__("r10") = 0;
	long result = CALL;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(0L), "S"(0L), "d"(0L), "r"(fourth), "r"(fifth)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long number __asm__("x8") = CALL;
	register long first __asm__("x0") = 0;
	register long second __asm__("x1") = 0;
	register long third __asm__("x2") = 0;
	register long fourth __asm__("x3") = 0;
	register long fifth __asm__("x4") = 0;

	__asm__ volatile("svc 0"
			 : "+r"(first)
			 : "r"(number), "r"(second), "r"(third), "r"(fourth),
			   "r"(fifth)
			 : "memory");
	return first;
#else
#error "x86-64 and arm64 only"
#endif
}

void _start(void)
{
	for (;;)
		call();
}
