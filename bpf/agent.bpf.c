// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
/* Lets the agent introduce itself. Run once by the agent at its start, in its
 * own context: user space cannot read its own start time to the nanosecond. */

SEC("syscall")
int register_agent(struct agent_settings *asked)
{
	struct agent_settings settings = *asked;

	settings.process = current_process();
	return bpf_map_update_elem(&agent, &(__u32){ 0 }, &settings, BPF_ANY);
}
