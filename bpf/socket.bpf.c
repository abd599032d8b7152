// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* The one program for everything that happens to TCP sockets of the scope. It
 * refuses nothing: what it finds no room for the proxy, or admit(), refuses. */

SEC("sockops")
int follow_socket(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		connecting(ctx, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		accepting(ctx, sk);
		break;
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listening(ctx);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			forget(ctx, sk);
		break;
	}
	return 1;
}
