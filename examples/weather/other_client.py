"""Some other program of the same user: same interpreter, same cgroup, same request, another script.

No manifest names it, so it has no identity.
"""

import sys

import mcp_client

if __name__ == "__main__":
    sys.exit(mcp_client.main())
