/* SPDX-License-Identifier: Apache-2.0 */
/* Connects as soon as it runs, says hello, and prints the answer. Exit code 3
 * where there is none. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char answer[256];
	ssize_t length;
	int fd;

	if (count < 3)
		return 64;
	address.sin_port = htons(atoi(words[2]));
	if (inet_pton(AF_INET, words[1], &address.sin_addr) != 1)
		return 64;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return 1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return 3;
	if (write(fd, "hello", 5) != 5)
		return 3;
	length = read(fd, answer, sizeof(answer));
	if (length <= 0)
		return 3;
	return fwrite(answer, 1, length, stdout) == (size_t)length ? 0 : 1;
}
