"""A virtual machine on another kernel that has the host's files, runs one command and ends."""

import pathlib
import shlex
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
NEEDED = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod", "xz": "xz-utils"}


def missing_packages():
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


class VirtualMachine:
    """Emulated, without network. What it writes is lost with it, except `results`, which it sees as /results."""

    def __init__(self, kernel, folder, boots=False):
        """boots: as a host does, with systemd as process 1; else that is a shell."""
        self.kernel = kernel
        self.init = "systemd" if boots else "bash"
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        self.results = folder / "results"
        self.results.mkdir(parents=True)

    def run(self, command, seconds):
        """Exit status of the shell command; None if the machine did not say: it panicked, hung or never came up."""
        (self.results / "command").write_text(command + "\n")
        with self.start() as machine:
            try:
                machine.wait(seconds)
            except subprocess.TimeoutExpired:
                print(f"the virtual machine is not done after {seconds} s", file=sys.stderr)
            finally:
                machine.kill()
        status = self.results / "status"
        return int(status.read_text()) if status.exists() else None

    def start(self):
        # It is not to outlive this program, however that ends.
        bound = ["setpriv", "--pdeathsig", "KILL"]
        hardware = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3G", "-nodefaults", "-no-reboot"]
        console = ["-display", "none", "-serial", "stdio"]
        # quiet: without the kernel's own messages, but for errors. panic=-1 with -no-reboot: a panic ends it at once.
        words = f"console=ttyS0 quiet panic=-1 tidemark.run={HERE}/run tidemark.modules={self.kernel.modules} tidemark.init={self.init}"
        boot = ["-kernel", self.kernel.image, "-initrd", self.initramfs(), "-append", words]
        files = [
            "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
            "-virtfs", f"local,path={self.results},mount_tag=results,security_model=none",
        ]
        command = [*bound, "qemu-system-x86_64", *hardware, *console, *boot, *files]
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)

    def initramfs(self):
        content = self.folder / "initramfs"
        (content / "bin").mkdir(parents=True)
        (content / "modules").mkdir()
        shutil.copy(shutil.which("busybox"), content / "bin/busybox")
        shutil.copy(HERE / "boot", content / "init")
        for number, (name, module) in enumerate(self.kernel.boot_modules()):
            (content / "modules" / f"{number:02}-{name}").write_bytes(module)
        archive = self.folder / "initramfs.cpio"
        pack = f"find . | busybox cpio -o -H newc 2>/dev/null >{shlex.quote(str(archive))}"
        subprocess.run(["sh", "-c", pack], cwd=content, check=True)
        return archive
