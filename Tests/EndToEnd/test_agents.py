"""How agents come in, and what they do when the control plane is away."""

from laboratory import eventually


def agent_with_token(lab, name, token):
    """What one more agent with that token says until it gives up, or for ten seconds; on cp, which has none yet."""
    return lab.shell(
        f"""
        mkdir -p "$LAB_DIR/{name}/state"
        sed -e "s/^name: .*/name: {name}/" -e "s|^joinTokenFile: .*|joinTokenFile: $LAB_DIR/{name}/join-token|" \\
            -e "s|^stateDirectory: .*|stateDirectory: $LAB_DIR/{name}/state|" -e "s|agent-a.sock|agent-{name}.sock|" \\
            -e "s|^pinDirectory: .*|pinDirectory: $LAB_DIR/a/bpf/{name}|" -e "s|^cgroup: .*|cgroup: $LAB_CGROUP/{name}|" \\
            "$LAB_DIR/a/agent.yaml" >"$LAB_DIR/{name}/agent.yaml"
        (umask 077; printf %s '{token}' >"$LAB_DIR/{name}/join-token")
        lab_make_cgroup "$LAB_CGROUP/{name}"
        lab_make_cgroup "$LAB_CGROUP/{name}/agent"
        lab_run cp {name}/agent timeout 10 "$LAB_BIN/tidemarkd" run --config "$LAB_DIR/{name}/agent.yaml"
        """,
        check=False,
    )


def names(lab):
    return [agent["spiffeID"].rpartition("/")[2] for agent in lab.json("status")["agents"]]


def test_a_wrong_join_token_lets_nobody_in(lab):
    done = agent_with_token(lab, "wrong", "0" * 64)
    assert done.returncode != 0
    assert "join token" in done.stdout + done.stderr
    assert "wrong" not in names(lab)


def test_a_join_token_works_once(lab):
    token = lab.json("join-token", "create", "--agent-group", "elsewhere")["token"]
    first = agent_with_token(lab, "first", token)
    eventually(lambda: "first" in names(lab), "the first agent")
    second = agent_with_token(lab, "second", token)
    assert second.returncode != 0
    assert "join token" in second.stdout + second.stderr, first.stderr
    assert "second" not in names(lab)


def test_without_the_control_plane_calls_go_on_and_the_agent_says_so(lab):
    lab.call()
    lab.shell("lab_stop server")
    try:
        assert "asked by" in lab.call().stdout
        status = eventually(lambda: away(lab), "the agent to notice")
        assert status["controlPlane"] != "connected"
        assert lab.tidemark("status").returncode == 69
    finally:
        lab.shell("lab_start_server; lab_wait 60 'agent a to be back' lab_agent_is_ready a; lab_wait 60 'agent b' lab_agent_is_ready b")
    assert "asked by" in lab.call().stdout


def away(lab):
    status = lab.json("status", "--agent")
    return status if status["controlPlane"] != "connected" else None
