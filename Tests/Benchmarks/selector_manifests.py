"""Writes manifests with many identities, no two of which are a tie: each has a priority of its own.

usage: selector_manifests.py COUNT GROUP FOLDER [--new-keys]

One of them, in FOLDER/managed.yaml, is for processes named `bench-managed` and `bench-server`, last in precedence, so that
the kernel part has to come down to it. The others name programs that do not exist. --new-keys: also uses argv[N],
binary:path, gid and prefix*. Their files are FOLDER/selectors-NNN.yaml, each below what one apply takes. More are those of
fewer, and further ones.
"""

import pathlib
import sys

FILE_BYTES = 240 * 1024  # apply takes 256 KiB
MANAGED = "bench-managed"
SERVER = "bench-server"
LAST = -1_000_000
UNUSED_GROUP = "bench-unused"

DOCUMENT = """apiVersion: tidemark.dev/v1alpha1
kind: WorkloadIdentity
metadata:
  name: {name}
spec:
  scope:
    agentGroup:
      id: {group}
  selectors:
{selectors}
  workloadID: bench/{name}
  priority: {priority}
"""


def uid_and_name(index):
    return {"process:uid": f"[{20000 + index}, {60000 + index}]", "process:name": f"[job-{index}]"}


def name(index):
    return {"process:name": f"[task-{index}, task-{index}-b]"}


def command_line(index):
    return {"process:cmdline": f"worker-{index} serve --shard {index % 64}"}


def script_of_uid(index):
    return {"process:uid": str(100000 + index), "process:name": "[python]", "process:cmdline": f"python service_{index}.py"}


def alternatives(index):
    return {"process:name": f"[tool-{index}]", "process:cmdline": f'["tool-{index} run", "tool-{index} watch --all"]'}


def uid(index):
    return {"process:uid": str(200000 + index)}


def word(index):
    return {"process:name": "[node]", "process:argv[1]": f"server-{index}.js"}


def path(index):
    return {"process:binary:path": f"/opt/bench/{index}/bin/server", "process:uid": str(20000 + index)}


def path_prefix(index):
    return {"process:binary:path": f'"/srv/bench-{index}/*"'}


def group_and_name_prefix(index):
    return {"process:gid": str(300000 + index), "process:name": f'"svc{index}-*"'}


KINDS = [uid_and_name, name, command_line, script_of_uid, alternatives, uid]
NEW_KINDS = [word, path, path_prefix, group_and_name_prefix]


def document(name, group, selectors, priority):
    keys = [f"{key}: {value}" for key, value in selectors.items()]
    lines = ["    - " + keys[0]] + ["      " + key for key in keys[1:]]
    return DOCUMENT.format(name=name, group=group, selectors="\n".join(lines), priority=priority)


def managed(group, *further):
    """The identity that processes of the bench have; further: more names of programs that have it."""
    return document(MANAGED, group, {"process:name": f"[{', '.join((MANAGED, SERVER, *further))}]"}, LAST)


def others(count, group, new_keys, active):
    """The rest, to make it count; those after the active ones are for an agent group that nobody is in."""
    kinds = KINDS + NEW_KINDS if new_keys else KINDS
    for index in range(1, count):
        whose = group if index < active else UNUSED_GROUP
        yield document(f"selector-{index}", whose, kinds[index % len(kinds)](index), index)


def parts(texts):
    """Joins documents to texts of at most FILE_BYTES."""
    part = ""
    for text in texts:
        if part and len(part) + len(text) + 4 > FILE_BYTES:
            yield part
            part = ""
        part += ("---\n" if part else "") + text
    if part:
        yield part


def write(count, group, folder, new_keys=False, active=None):
    """The files, in order."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "managed.yaml"]
    files[0].write_text(managed(group))
    for number, text in enumerate(parts(others(count, group, new_keys, active or count))):
        files.append(folder / f"selectors-{number:03}.yaml")
        files[-1].write_text(text)
    return files


if __name__ == "__main__":
    options = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if len(options) != 3 or set(sys.argv[1:]) - set(options) - {"--new-keys"}:
        sys.exit(__doc__)
    for file in write(int(options[0]), options[1], options[2], "--new-keys" in sys.argv):
        print(file)
